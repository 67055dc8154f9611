# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for reqtally(8)
_reqtally() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i command=
	# readline parts words at "="
	[ "$cur" = = ] && cur=
	[ "$prev" = = ] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		run | check | doctor | test | uninstall)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case $prev in
	--config.file | --http.config.file | --web.config.file | --rules.alert.state-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--bpf.pin-path)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--log.level)
		mapfile -t COMPREPLY < <(compgen -W "debug info warn error" -- "$cur")
		return
		;;
	--log.format)
		mapfile -t COMPREPLY < <(compgen -W "logfmt json" -- "$cur")
		return
		;;
	check)
		mapfile -t COMPREPLY < <(compgen -W "config rules" -- "$cur")
		return
		;;
	test)
		mapfile -t COMPREPLY < <(compgen -W "rules promql" -- "$cur")
		return
		;;
	esac
	case $cur in
	-*)
		case $command in
		check)
			mapfile -t COMPREPLY < <(compgen -W "--lint= --lint-fatal --ignore-unknown-fields --enable-feature=" -- "$cur")
			return
			;;
		uninstall)
			mapfile -t COMPREPLY < <(compgen -W "--bpf.pin-path= --help" -- "$cur")
			return
			;;
		doctor)
			mapfile -t COMPREPLY < <(compgen -W "--url= --http.config.file= --interval= --skip-listeners --json --help" -- "$cur")
			[[ ${COMPREPLY[0]:-} == *= ]] && compopt -o nospace 2>/dev/null
			return
			;;
		query)
			mapfile -t COMPREPLY < <(compgen -W "--url= --time=" -- "$cur")
			return
			;;
		test)
			mapfile -t COMPREPLY < <(compgen -W "--run= --debug --diff --junit= --ignore-unknown-fields --enable-feature=" -- "$cur")
			return
			;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "--config.file= --web.listen-address= --web.telemetry-path= --web.config.file=
			--web.cors.origin= --web.external-url= --enable-feature= --rules.alert.state-file= --rules.alert.for-outage-tolerance=
			--rules.alert.for-grace-period= --rules.alert.resend-delay= --bpf.pin-path= --no-pin --log.level= --log.format= --version --help" -- "$cur")
		[[ ${COMPREPLY[0]:-} == *= ]] && compopt -o nospace 2>/dev/null
		;;
	*)
		if [ -z "$command" ]; then
			mapfile -t COMPREPLY < <(compgen -W "run check doctor test uninstall query" -- "$cur")
		elif [ "$command" = check ] || [ "$command" = test ]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	esac
}
complete -F _reqtally reqtally
