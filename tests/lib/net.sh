# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Sub-hosts are network namespaces, each joined to the main host by a veth pair of its own:
# "to-NAME" in the main host, "eth0" in the sub-host.

declare -A net_numbers=() net_mains=() net_shapes=()

# net_subhost NAME [MAIN]: MAIN is the namespace that plays the main host (default: this one).
net_subhost() {
	local name=$1 main=${2:-} number=$((${#net_numbers[@]} + 1))

	modprobe -q veth || true
	net_numbers[$name]=$number
	net_mains[$name]=$main
	net_shapes[$name]=''
	ip netns add "$name"
	at_exit "net_remove $name"
	in_main "$name" ip link add "to-$name" type veth peer name eth0 netns "$name"
	in_main "$name" ip addr add "$(net_main_address "$name")/24" dev "to-$name"
	in_main "$name" ip link set "to-$name" up
	ip -n "$name" addr add "$(net_address "$name")/24" dev eth0
	ip -n "$name" link set lo up
	ip -n "$name" link set eth0 up
	# Servers that push pages to each other meet in the main host.
	ip -n "$name" route add default via "$(net_main_address "$name")"
	in_main "$name" sysctl -qw net.ipv4.ip_forward=1
}

net_address() {
	echo "10.71.${net_numbers[$1]:?no such sub-host: $1}.2"
}

net_main_address() {
	echo "10.71.${net_numbers[$1]:?no such sub-host: $1}.1"
}

# in_subhost NAME COMMAND...
in_subhost() {
	ip netns exec "$@"
}

# in_main NAME COMMAND...: on the main host's side of that sub-host's link.
in_main() {
	local main=${net_mains[$1]}
	shift
	if [[ -n $main ]]; then
		ip netns exec "$main" "$@"
	else
		"$@"
	fi
}

# net_shape NAME[,NAME...] [rate RATE] [delay TIME] [loss PERCENT%]: both directions, each as given; no
# argument takes the shape away. tbf limits the rate, and netem below it delays and loses.
net_shape() {
	local names name
	IFS=, read -r -a names <<<"$1"
	shift
	for name in "${names[@]}"; do
		net_shapes[$name]="$*"
		net_apply_shape "$name" "$@"
	done
}

net_apply_shape() {
	local name=$1
	shift
	net_shape_end in_main "$name" "to-$name" "$@"
	net_shape_end in_subhost "$name" eth0 "$@"
}

net_shape_end() {
	local where=$1 name=$2 device=$3 rate='' netem=() parent=(root)
	shift 3

	while (($#)); do
		case $1 in
		rate) rate=$2 ;;
		delay | loss) netem+=("$1" "$2") ;;
		*) bail "net_shape knows rate, delay and loss, not $1" ;;
		esac
		shift 2
	done
	modprobe -q -a sch_tbf sch_netem || true
	"$where" "$name" tc qdisc del dev "$device" root 2>/dev/null || true
	if [[ -n $rate ]]; then
		"$where" "$name" tc qdisc add dev "$device" root handle 1: \
			tbf rate "$rate" burst 128kb latency 200ms
		parent=(parent 1:)
	fi
	if ((${#netem[@]})); then
		"$where" "$name" tc qdisc add dev "$device" "${parent[@]}" handle 10: \
			netem limit 20000 "${netem[@]}"
	fi
}

# The link's packets vanish and nobody is told, as when a switch on the way dies.
net_cut() {
	net_apply_shape "$1" loss 100%
}

# Only what the main host sends vanishes: the end of a connection, for instance, is never heard of.
net_mute() {
	modprobe -q sch_netem || true
	in_main "$1" tc qdisc replace dev "to-$1" root handle 1: netem loss 100%
}

# The cable is pulled: the main host sees the carrier go.
net_unplug() {
	ip -n "$1" link set eth0 down
}

# After net_cut, net_mute or net_unplug: as it was before.
net_heal() {
	local shape=()
	ip -n "$1" link set eth0 up
	ip -n "$1" route replace default via "$(net_main_address "$1")"
	read -r -a shape <<<"${net_shapes[$1]}"
	net_apply_shape "$1" "${shape[@]}"
}

net_remove() {
	in_main "$1" ip link del "to-$1" 2>/dev/null || true
	ip netns del "$1" 2>/dev/null || true
}

# Bytes that crossed the link: net_bytes NAME rx|tx, as the main host counts them.
net_bytes() {
	in_main "$1" cat "/sys/class/net/to-$1/statistics/${2}_bytes"
}

# tcp_counter NAME [SUBHOST]: of the main host's TCP, or a sub-host's; the names are those of nstat.
tcp_counter() {
	local show=(cat)

	if (($# > 1)); then
		show=(in_subhost "$2" cat)
	fi
	# Each line of names is followed by one of values.
	"${show[@]}" /proc/net/snmp /proc/net/netstat | awk -v wanted="$1" '
		NR % 2 { for (i = 1; i <= NF; i++) name[i] = $i; next }
		{ for (i = 2; i <= NF; i++) if (name[i] == wanted) { print $i; found = 1 } }
		END { exit !found }'
}
