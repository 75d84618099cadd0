# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# A swap disk over memory servers: how scenarios make it, and what they ask about it. The figures are
# those of the only disk.

# two_servers SIZE [SERVER-ADD-OPTION...]: memory servers one and two on sub-hosts of those names,
# and the module using both.
two_servers() {
	local size=$1 name
	shift

	for name in one two; do
		net_subhost "$name"
		memserver_start "$name" "$size"
	done
	smemv_load
	for name in one two; do
		require "server $name is added" smemv server add "$name" "$(memserver_address "$name")" lanes 2 "$@"
	done
}

# make_disk SIZE [SWAP-ADD-OPTION...]: disk becomes its path.
make_disk() {
	disk=$(smemv swap add "$@" name demo) || bail "no disk was made"
}

# A new server in the place of one that ended; it has none of the old one's pages.
server_comes_back_empty() {
	memserver_start "$1" "$2"
	wait_until 30 server_state_is "$1" up || bail "server $1 was not connected again"
}

# swap_pages [SERVER]: pages of the only swap disk that its map says are remote (at SERVER).
swap_pages() {
	if (($#)); then
		smemv_json "first | .where[\"$1\"] // 0" swap show
	else
		smemv_json 'first | .pages' swap show
	fi
}

swap_lost_pages() {
	smemv_json 'first | .lost_pages' swap show
}

# swap_counter NAME, server_counter SERVER NAME
swap_counter() {
	smemv_json "first | .counters.$1" swap show
}

server_counter() {
	smemv_json "first | .counters.$2" server show "$1"
}

server_state_is() {
	[[ $(smemv_json 'first | .state' server show "$1") == "$2" ]]
}

# all_is_settled SERVER...: each is up and holds exactly the pages that the map says.
all_is_settled() {
	local server
	for server in "$@"; do
		server_state_is "$server" up || return 1
		[[ $(memserver_pages "$server") == "$(swap_pages "$server")" ]] || return 1
	done
}

describe_settling() {
	local server
	for server in "$@"; do
		echo "$server: $(smemv_json 'first | .state' server show "$server")," \
			"holds $(memserver_pages "$server") pages, the map says $(swap_pages "$server")"
	done
}

# settles SECONDS SERVER...: until all_is_settled, for ok.
settles() {
	wait_until "$1" all_is_settled "${@:2}" || {
		describe_settling "${@:2}"
		return 1
	}
	describe_settling "${@:2}"
}

# counter_passes LIMIT COMMAND...: what COMMAND prints is more.
counter_passes() {
	(($("${@:2}") > $1))
}

servers_are_empty() {
	local server held
	for server in "$@"; do
		held=$(memserver_pages "$server") || return
		((held == 0)) || {
			echo "server $server holds $held pages"
			return 1
		}
	done
}

no_spaces_remain() {
	local server
	for server in "$@"; do
		(($(memserver_stat "$server" smemv_spaces) == 0)) || return 1
	done
}
