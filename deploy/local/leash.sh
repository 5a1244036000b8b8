# Runs a command that must not outlive the process that started it, however that process ends
# (SIGKILL included, which no exit handler sees).
#
#   /bin/sh -c "$(cat leash.sh)" leash SIGNAL GRACE_SECONDS command [argument...]    with a pipe as descriptor 3
#
# The starter holds the other end of the pipe. A line on it means "the command has ended, nothing to do".
# End of file without a line means that the starter is gone: the command gets SIGNAL, and SIGKILL after the
# grace period. The guard is forked twice so that it is no child of the command (PostgreSQL treats an unknown
# child as a crashed one), and the shell becomes the command, so that process id, exit code and signals are
# the command's own.
signal=$1
grace=$2
shift 2
(
  (
    trap '' HUP INT TERM
    read -r _ <&3 && exit 0
    kill -s "$signal" $$ || exit 0
    tenths=$((grace * 10))
    while [ "$tenths" -gt 0 ] && kill -s 0 $$; do
      sleep 0.1
      tenths=$((tenths - 1))
    done
    kill -s KILL $$
  ) </dev/null >/dev/null 2>&1 &
)
exec "$@" 3<&-
