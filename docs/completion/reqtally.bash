# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for reqtally(8)

# What compgen makes of the arguments for $cur; no blank behind a flag that wants a value.
_reqtally_offer() {
	mapfile -t COMPREPLY < <(compgen "$@" -- "$cur")
	if [[ ${COMPREPLY[0]:-} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}

_reqtally() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i command= commands="run check doctor test uninstall query top"
	# readline parts words at "="
	[ "$cur" = = ] && cur=
	[ "$prev" = = ] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	for ((i = 1; i < COMP_CWORD && ${#command} == 0; i++)); do
		[[ " $commands " = *" ${COMP_WORDS[i]} "* ]] && command=${COMP_WORDS[i]}
	done
	COMPREPLY=()
	case $prev in
	--config.file | --http.config.file | --web.config.file | --rules.alert.state-file | --junit) _reqtally_offer -f ;;
	--bpf.pin-path) _reqtally_offer -d ;;
	--log.level) _reqtally_offer -W "debug info warn error" ;;
	--log.format) _reqtally_offer -W "logfmt json" ;;
	--sort) _reqtally_offer -W "rate failed 4xx avg p50 p99 busy in-flight oldest name" ;;
	--by) _reqtally_offer -W "service service,code service,method,endpoint namespace,pod port" ;;
	check) _reqtally_offer -W "config rules" ;;
	test) _reqtally_offer -W "rules promql" ;;
	*)
		case $command:$cur in
		check:-*) _reqtally_offer -W "--syntax-only --lint= --lint-fatal --ignore-unknown-fields --enable-feature= --help" ;;
		doctor:-*) _reqtally_offer -W "--url= --http.config.file= --interval= --skip-listeners --json --help" ;;
		query:-*) _reqtally_offer -W "--url= --http.config.file= --time= --help" ;;
		test:-*) _reqtally_offer -W "--run= --debug --diff --junit= --ignore-unknown-fields --enable-feature= --help" ;;
		top:-*)
			_reqtally_offer -W "--url= --web.telemetry-path= --http.config.file= --interval= --iterations= --by= --sort=
				--filter= --rows= --total --batch --help"
			;;
		uninstall:-*) _reqtally_offer -W "--bpf.pin-path= --help" ;;
		*:-*)
			_reqtally_offer -W "--config.file= --web.listen-address= --web.systemd-socket --web.telemetry-path= --web.config.file=
				--web.cors.origin= --web.external-url= --enable-feature= --rules.alert.state-file=
				--rules.alert.for-outage-tolerance= --rules.alert.for-grace-period= --rules.alert.resend-delay=
				--bpf.pin-path= --no-pin --log.level= --log.format= --version --help"
			;;
		check:* | test:*) _reqtally_offer -f ;;
		:*) _reqtally_offer -W "$commands" ;;
		esac
		;;
	esac
}
complete -F _reqtally reqtally
