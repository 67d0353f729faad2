//! Scripts on the registry: each is carried out as a whole.

use redis::Cmd;

/// The registry's key, and that of the numbers that are free again on a server of ours.
pub(super) const CLAIMS: &str = "container-test:claims";
pub(super) const NEXT: &str = "container-test:next";
pub(super) const FREE: &str = "container-test:free-numbers";

/// The key of the tests that have the databases, on a server of ours.
pub(super) const TESTS: &str = "container-test:tests";

/// The key of what tests are denied, on a server of ours.
pub(super) const DENIED: &str = "container-test:denied";

/// The holder of databases that people want to look at.
pub(super) const RETAINED: &str = "retained";

/// Claims numbers on a server of ours: new ones, then those that were freed first.
pub(super) const CLAIM_NEW: &str = "
    local limit, holder, count = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
    local numbers = {}
    while #numbers < count do
        local number = redis.call('INCR', KEYS[2])
        if number >= limit then
            number = redis.call('LPOP', KEYS[3])
            if not number then break end
        end
        -- A server that was started again counts from the beginning.
        if redis.call('HSETNX', KEYS[1], number, holder) == 1 then
            numbers[#numbers + 1] = tonumber(number)
        end
    end
    return numbers";

/// Claims one of the numbers on a server given by URL; returns -1 if the server holds data of
/// others and the user has named no numbers. The registry's database is given first.
pub(super) const CLAIM_ONE: &str = "
    local registry, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
    local holder, named = ARGV[3], ARGV[4] == '1'
    local function keys(number)
        redis.call('SELECT', number)
        local keys = redis.call('DBSIZE')
        redis.call('SELECT', registry)
        return keys
    end
    if not named then
        local ours = redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3])
        if keys(registry) > ours then return -1 end
        for number = 0, limit - 1 do
            if number ~= registry and redis.call('HEXISTS', KEYS[1], number) == 0
                and keys(number) > 0 then return -1 end
        end
    end
    for index = 5, #ARGV do
        local number = tonumber(ARGV[index])
        if redis.call('HEXISTS', KEYS[1], number) == 0 then
            redis.call('HSET', KEYS[1], number, holder)
            if named then
                redis.call('SELECT', number)
                redis.call('FLUSHDB')
                redis.call('SELECT', registry)
            end
            return number
        end
    end
    return false";

/// Empties a database, and gives it back if asked to, if its holder is who it says.
pub(super) const RELEASE: &str = "
    local registry, number = tonumber(ARGV[1]), tonumber(ARGV[2])
    if redis.call('HGET', KEYS[1], number) ~= ARGV[3] then return 0 end
    redis.call('SELECT', number)
    redis.call('FLUSHDB', 'ASYNC')
    redis.call('SELECT', registry)
    if ARGV[4] == '1' then
        redis.call('HDEL', KEYS[1], number)
        if ARGV[5] == '1' then redis.call('RPUSH', KEYS[3], number) end
    end
    redis.call('HDEL', KEYS[4], number)
    return 1";

/// Returns the call of a script on the registry.
pub(super) fn script(text: &str) -> Cmd {
    let mut call = redis::cmd("EVAL");
    let keys = [CLAIMS, NEXT, FREE, TESTS];
    call.arg(text).arg(keys.len()).arg(&keys);
    call
}
