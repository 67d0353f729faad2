# container-test-watchdog: runs a server for as long as a process uses it.
#
#   sh -c SCRIPT watchdog PORT IDLE GRACE STOP REMOVE program arguments…
#
# PORT    TCP port that the server listens on: it is used while a connection is established;
#         or lease:TOKEN: it is used while a process exists here that LEASE in watchdog.rs describes
# IDLE    seconds without use after which the server is stopped
# GRACE   seconds that the server may take until it listens, or until the first lease
# STOP    signal that stops the server fast
# REMOVE  directory of the server, to remove at the end; empty in a container. Its file `endpoint` is
#         what other processes find the server by, and is away while the end is decided. Its file
#         `watchdog` has the number of this process
port=$1 idle=$2 grace=$3 stop=$4 remove=$5
shift 5
token='' hex='' announcement=''
case $port in
lease:*) token=${port#lease:} ;;
*) hex=$(printf '%04X' "$port") ;;
esac
say() { printf 'container-test-watchdog: %s\n' "$*" >&2; }

# Sets `listening` and `connected`, from leases or the kernel's table of sockets. The table has a line for every
# connection of the last minute, and a shell reads byte by byte, so `grep` reads it where there is one.
look() {
    listening='' connected=''
    if [ -n "$token" ]; then
        if runs "[c]ontainer-test-lease-$token"; then listening=yes connected=yes; fi
    elif [ -r /proc/net/tcp ] && command -v grep >/dev/null; then
        lines=$(grep -h ": [0-9A-F]*:$hex [0-9A-F]*:[0-9A-F]* 0[1A] " /proc/net/tcp /proc/net/tcp6 2>/dev/null)
        case $lines in *' 0A '*) listening=yes ;; esac
        case $lines in *' 01 '*) connected=yes ;; esac
    elif [ -r /proc/net/tcp ]; then
        for table in /proc/net/tcp /proc/net/tcp6; do
            [ -r "$table" ] || continue
            while read -r _ local _ state _; do
                case "$local $state" in
                *":$hex 0A") listening=yes ;;
                *":$hex 01") connected=yes ;;
                esac
            done <"$table"
        done
    else # no /proc: macOS and the BSDs
        for state in $(netstat -an -p tcp 2>/dev/null |
            awk -v port="[.:]$port\$" '$4 ~ port { print $6 }'); do
            case $state in
            LISTEN) listening=yes ;;
            ESTABLISHED) connected=yes ;;
            esac
        done
    fi
}

# Succeeds if a process has the pattern in its command line. The brackets in a pattern keep it from
# matching the process that looks for it.
runs() {
    if command -v grep >/dev/null; then
        grep -qse "$1" /proc/[0-9]*/cmdline
        return
    fi
    for process in /proc/[0-9]*/cmdline; do
        words=''
        { read -r words <"$process"; } 2>/dev/null
        case $words in *$1*) return 0 ;; esac
    done
    return 1
}

# Succeeds if the server may end. A process may come after `look`; so this announces the end where
# processes look for it, or lets none in, and looks again.
may_end() {
    if [ -n "$token" ]; then
        # A lease that sees this is refused.
        sh -c 'while :; do sleep 5; done' "container-test-ending-$token" >/dev/null 2>&1 &
        announcement=$!
        until runs "[c]ontainer-test-ending-$token"; do sleep 0.1; done
    elif [ -n "$remove" ]; then
        # A process that has connected looks for the file afterwards.
        mv "$remove/endpoint" "$remove/.endpoint" 2>/dev/null
    else
        # A paused server answers no process that comes now.
        signal_all STOP "$child"
    fi
    look
    [ -n "$connected" ] || return 0
    if [ -n "$token" ]; then
        kill "$announcement"
        announcement=''
    elif [ -n "$remove" ]; then
        mv "$remove/.endpoint" "$remove/endpoint" 2>/dev/null
    else
        signal_all CONT "$child"
    fi
    return 1
}

# Sends a signal to a process and to all that it has started: the server may run below an `init`.
signal_all() {
    below=''
    { read -r below <"/proc/$2/task/$2/children"; } 2>/dev/null
    kill -s "$1" "$2" 2>/dev/null
    for process in $below; do
        signal_all "$1" "$process"
    done
}

# Sets `now` in seconds: on a busy machine an iteration takes longer than its sleep.
read_clock() {
    if [ -r /proc/uptime ]; then
        read -r now _ </proc/uptime
        now=${now%%.*}
    else
        now=$(date +%s)
    fi
}

finish() {
    [ -z "$announcement" ] || kill "$announcement"
    [ -z "$remove" ] || rm -rf "$remove"
    exit "$1"
}

end_child() {
    trap '' TERM INT HUP
    kill -s "$stop" "$child" 2>/dev/null
    waited=0
    while kill -0 "$child" 2>/dev/null; do
        waited=$((waited + 1))
        # Some servers leave shared memory when they are killed.
        [ "$waited" -ne 100 ] || kill -QUIT "$child" 2>/dev/null
        [ "$waited" -le 200 ] || kill -KILL "$child" 2>/dev/null
        sleep 0.1 &
        wait $!
    done
    finish 0
}

if [ -n "$token" ]; then
    # The program may read its input, which a command in the background does not have.
    exec 3<&0
    "$@" <&3 3<&- &
    child=$!
    exec 3<&-
else
    "$@" &
    child=$!
fi
trap 'say "told to stop"; end_child' TERM INT HUP
[ -z "$remove" ] || printf '%s\n' "$$" >"$remove/watchdog"

read_clock
seen=$now ready=''
while kill -0 "$child" 2>/dev/null; do
    sleep 1 &
    wait $!
    look
    read_clock
    # Before it listens, no process can use it.
    [ -z "$listening" ] || [ -n "$ready" ] || { ready=yes seen=$now; }
    [ -z "$connected" ] || seen=$now
    silent=$((now - seen))
    if [ -n "$ready" ]; then limit=$idle; else limit=$grace; fi
    if [ "$silent" -ge "$limit" ] && may_end; then
        say "not used for $silent s, stopping"
        [ -z "$token$remove" ] || end_child
        # It is paused, and what it has in memory goes with the container.
        signal_all KILL "$child"
        finish 0
    fi
done

wait "$child"
status=$?
say "the server ended by itself with status $status"
# Processes that wait for the server can still read its log.
sleep 3 &
wait $!
finish "$status"
