# container-test-watchdog: runs a server for as long as somebody is connected to it.
#
#   sh -c SCRIPT watchdog PORT IDLE GRACE STOP REMOVE program arguments…
#
# PORT    TCP port that the server listens on
# IDLE    seconds without an established connection after which the server is stopped
# GRACE   seconds that the server may take until it listens
# STOP    signal that stops the server fast
# REMOVE  directory to remove at the end; empty for none
port=$1 idle=$2 grace=$3 stop=$4 remove=$5
shift 5
hex=$(printf '%04X' "$port")
say() { printf 'container-test-watchdog: %s\n' "$*" >&2; }

# Sets `listening` and `connected` from the kernel's table of sockets. It holds a line for every
# connection of the last minute, and a shell reads byte by byte.
look() {
    listening='' connected=''
    if [ -r /proc/net/tcp ] && command -v grep >/dev/null; then
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

# Sets `now` in seconds: on a busy machine a turn of the loop takes longer than its sleep.
tell_time() {
    if [ -r /proc/uptime ]; then
        read -r now _ </proc/uptime
        now=${now%%.*}
    else
        now=$(date +%s)
    fi
}

finish() {
    [ -z "$remove" ] || rm -rf "$remove"
    exit "$1"
}

end_child() {
    trap '' TERM INT HUP
    kill -s "$stop" "$child" 2>/dev/null
    waited=0
    while kill -0 "$child" 2>/dev/null; do
        waited=$((waited + 1))
        # PostgreSQL that is killed leaves shared memory.
        [ "$waited" -ne 100 ] || kill -QUIT "$child" 2>/dev/null
        [ "$waited" -le 200 ] || kill -KILL "$child" 2>/dev/null
        sleep 0.1 &
        wait $!
    done
    finish 0
}

"$@" &
child=$!
trap 'say "told to stop"; end_child' TERM INT HUP

tell_time
seen=$now ready=''
while kill -0 "$child" 2>/dev/null; do
    sleep 1 &
    wait $!
    look
    tell_time
    # Nobody could connect before.
    [ -z "$listening" ] || [ -n "$ready" ] || { ready=yes seen=$now; }
    [ -z "$connected" ] || seen=$now
    silent=$((now - seen))
    if [ -n "$ready" ]; then limit=$idle; else limit=$grace; fi
    if [ "$silent" -ge "$limit" ]; then
        say "nobody is connected since $silent s, stopping"
        end_child
    fi
done

wait "$child"
status=$?
say "the server ended by itself with status $status"
# Whoever waits for the server can still read its log.
sleep 3 &
wait $!
finish "$status"
