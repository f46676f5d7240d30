# bash completion of segmentd; made from the table of commands by test_packaged_pages, do not edit.
_segmentd()
{
	local word="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}" option="" kind="" offer="" i
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "run demo check topics replay explain model state schema features config --help --version" -- "$word")
		return
	fi
	# The option that the word before belongs to; only one of many values goes on after its first.
	for ((i = COMP_CWORD - 1; i > 1; i--)); do
		case "${COMP_WORDS[i]}" in
		--*)
			option="${COMP_WORDS[i]}"
			break
			;;
		esac
	done
	case "$command:$option" in
	run:--config) kind=file ;;
	demo:--port) kind=other ;;
	demo:--rate) kind=other ;;
	demo:--input) kind=file ;;
	demo:--exit-after) kind=other ;;
	check:--config) kind=file ;;
	topics:--config) kind=file ;;
	topics:--partitions) kind=other ;;
	replay:--config) kind=file ;;
	replay:--input) kind=files ;;
	replay:--output) kind=folder ;;
	replay:--checkpoint-days) kind=other ;;
	replay:--until) kind=other ;;
	explain:--url) kind=other ;;
	model:--url) kind=other ;;
	model:--token) kind=other ;;
	model:--against) kind=other ;;
	model:--labels) kind=other ;;
	state:--data) kind=folder ;;
	state:--config) kind=file ;;
	esac
	if [ "$kind" != files ] && [ "$i" -ne $((COMP_CWORD - 1)) ]; then
		kind=""
	fi
	case "$kind:$word" in
	files:--*) ;;
	file*:*)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	folder:*)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
		;;
	other:*) return ;;
	esac
	case "$command" in
	run) offer="--config --accept-config-change --help" ;;
	demo) offer="--port --rate --input --exit-after --help" ;;
	check) offer="--config --help" ;;
	topics) offer="--config --inputs --partitions --help create describe" ;;
	replay) offer="--config --input --output --checkpoint-days --until --help" ;;
	explain) offer="--url --json --help CUSTOMER" ;;
	model) offer="--url --token --against --labels --json --help list show V diff V promote V rollback V refit validate" ;;
	state) offer="--data --config --help stats dump verify" ;;
	schema) offer="--help $("${COMP_WORDS[0]}" schema 2>/dev/null)" ;;
	features) offer="--markdown --help" ;;
	config) offer="--markdown --help" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$offer" -- "$word")
}
complete -o filenames -F _segmentd segmentd
