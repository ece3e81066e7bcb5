import type { Command, Option } from 'commander';
import { WORD_KINDS, type WordKind } from './word-kinds.ts';

/** `lastcall completion SHELL`: a script for the shell, made from the commands and options that the program has. */

export type Shell = 'bash' | 'zsh' | 'fish';

interface OptionWords {
  /** `--config`, and `-c` where there is one. */
  readonly flags: readonly string[];
  readonly text: string;
  /** null: it takes no value. */
  readonly value: {
    readonly name: string;
    readonly isFile: boolean;
    /** What the shell has to ask for. */
    readonly asks: WordKind | null;
    readonly choices: readonly string[];
  } | null;
}

interface VerbWords {
  readonly name: string;
  readonly text: string;
  /** The command's own options, then those of every command. */
  readonly options: readonly OptionWords[];
  /** The arguments that may follow the command. */
  readonly choices: readonly string[];
  /** What the shell has to ask for to offer its argument. */
  readonly asks: WordKind | null;
}

interface ProgramWords {
  readonly verbs: readonly VerbWords[];
  readonly globals: readonly OptionWords[];
}

/** The command by which a script asks for them. */
const COMPLETE = 'complete-words';
/** Options whose value is a server. */
const SERVERS = /^--(?:ignore-)?server$/;

/** Values that are a file or a socket of this machine, or may be. */
const FILES = /<(?:file|path|pid|addr)>/;

/** The script for `shell`. @param program with all of its commands */
export function completionFor(shell: Shell, program: Command): string {
  const words = wordsOf(program);
  switch (shell) {
    case 'bash':
      return bash(words);
    case 'zsh':
      return zsh(words);
    case 'fish':
      return fish(words);
    default:
      return shell satisfies never;
  }
}

function wordsOf(program: Command): ProgramWords {
  const globals = [...optionsOf(program), HELP];
  const verbs = program
    .createHelp()
    .visibleCommands(program)
    .map((command) => ({
      name: command.name(),
      text: command.description(),
      options: [...optionsOf(command), ...globals],
      choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
      asks: command.registeredArguments[0]?.name() === 'node' ? ('nodes' as const) : null,
    }));
  return { verbs, globals };
}

const HELP: OptionWords = { flags: ['-h', '--help'], text: 'this text', value: null };

/** What the help shows. */
function optionsOf(command: Command): OptionWords[] {
  return command.options.filter(({ hidden }) => !hidden).map(optionOf);
}

function optionOf({ short, long, flags, description, required, argChoices }: Option): OptionWords {
  const name = /<([^>]+)>/.exec(flags)?.[1] ?? '';
  const asks: WordKind | null = SERVERS.test(long ?? '') ? 'servers' : null;
  const value = required ? { name, isFile: FILES.test(flags), asks, choices: argChoices ?? [] } : null;
  return { flags: [short, long].filter((flag) => flag !== undefined), text: description, value };
}

/** Each option of the program once. */
function allOptions({ verbs, globals }: ProgramWords): OptionWords[] {
  const all = [...globals, ...verbs.flatMap(({ options }) => options)];
  return [...new Map(all.map((option) => [option.flags.join(), option])).values()];
}

function bash(program: ProgramWords): string {
  const valued = allOptions(program).filter(({ value }) => value !== null);
  const pattern = (options: readonly OptionWords[]): string =>
    options.flatMap(({ flags }) => flags).join(' | ');
  const files = valued.filter(({ value }) => value?.isFile === true);
  const chosen = valued.filter(({ value }) => value?.choices.length !== 0);
  const servers = valued.filter(({ value }) => typeof value?.asks === 'string');
  const free = valued.filter((option) => ![...files, ...chosen, ...servers].includes(option));
  const flagsOf = (options: readonly OptionWords[]): string =>
    options.flatMap(({ flags }) => flags).join(' ');
  const verbs = program.verbs.map(({ name }) => name);
  return `# bash: source <(lastcall completion bash)
_lastcall() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} verb='' words='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} == -- ]]; then
      mapfile -t COMPREPLY < <(compgen -A command -A file -- "$cur")
      return
    fi
    case \${COMP_WORDS[i - 1]} in
      ${pattern(valued)}) continue ;;
    esac
    case \${COMP_WORDS[i]} in
      ${verbs.join(' | ')}) verb=\${verb:-\${COMP_WORDS[i]}} ;;
    esac
  done
  case $prev in
${chosen.map(({ flags, value }) => `    ${flags.join(' | ')}) words='${value?.choices.join(' ')}' ;;`).join('\n')}
    ${pattern(files)})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
      ;;
    ${pattern(servers)}) words=${bashAsks('servers')} ;;
    ${pattern(free)}) return ;;
    *)
      case $verb in
${program.verbs.map(({ name, options, choices, asks }) => `        ${name}) words='${[...choices, flagsOf(options)].join(' ')}'${asks === null ? '' : `" ${bashAsks(asks)}"`} ;;`).join('\n')}
        *) words='${verbs.join(' ')} ${flagsOf(program.globals)}' ;;
      esac
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _lastcall lastcall
`;
}

/** The words of one kind, asked for by the shell that has this line. */
function bashAsks(kind: WordKind): string {
  return `$("\${COMP_WORDS[0]}" ${COMPLETE} ${kind} "$COMP_LINE" 2>/dev/null)`;
}

function zsh({ verbs, globals }: ProgramWords): string {
  const specs = (options: readonly OptionWords[]): string =>
    options.map((one) => `      ${zshSpec(one)}`).join(' \\\n');
  const cases = verbs.map(({ name, options, choices, asks }) => {
    const argument =
      asks === null ? (choices.length === 0 ? null : `(${choices.join(' ')})`) : `_lastcall_${asks}`;
    const word = argument === null ? '' : ` \\\n      ${quoted(`1:word:${argument}`)}`;
    const rest = name === 'run' ? " \\\n      '*::command:_normal'" : '';
    return `    ${name}) _arguments \\\n${specs(options)}${word}${rest} ;;`;
  });
  return `#compdef lastcall
# zsh: source <(lastcall completion zsh), or this file as _lastcall in a directory of $fpath
${WORD_KINDS.map(
  (kind) => `_lastcall_${kind}() {
  local -a found=(\${(f)"$(lastcall ${COMPLETE} ${kind} "$BUFFER" 2>/dev/null)"})
  compadd -a found
}`,
).join('\n')}
_lastcall() {
  local context state state_descr line
  typeset -A opt_args
  local -a verbs=(
${verbs.map(({ name, text }) => `    ${quoted(`${name}:${text}`)}`).join('\n')}
  )
  _arguments -C \\
${specs(globals)} \\
      '1:command:->verb' '*::argument:->rest'
  [[ $state == verb ]] && _describe -t commands command verbs
  [[ $state == rest ]] && case $line[1] in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _lastcall ]]; then _lastcall "$@"; else compdef _lastcall lastcall; fi
`;
}

function zshSpec({ flags, text, value }: OptionWords): string {
  const explained = `[${text.replaceAll(/[[\]\\]/g, String.raw`\$&`)}]`;
  const values = value === null ? '' : `:${value.name}:${zshValues(value)}`;
  const [one = ''] = flags;
  // An option may be given several times where it is repeatable; to offer it again does no harm.
  if (flags.length === 1) return quoted(`*${one}${explained}${values}`);
  return `'(${flags.join(' ')})'{${flags.join(',')}}${quoted(`${explained}${values}`)}`;
}

function zshValues({ isFile, asks, choices }: NonNullable<OptionWords['value']>): string {
  if (isFile) return '_files';
  if (asks !== null) return `_lastcall_${asks}`;
  return choices.length === 0 ? ' ' : `(${choices.join(' ')})`;
}

function fish({ verbs, globals }: ProgramWords): string {
  const names = verbs.map(({ name }) => name).join(' ');
  const shared = new Set(globals);
  return [
    '# fish: lastcall completion fish | source',
    'complete -c lastcall -f',
    ...globals.map((option) => `complete -c lastcall ${fishOption(option)}`),
    ...verbs.flatMap(({ name, text, options, choices, asks }) => [
      `complete -c lastcall -n 'not __fish_seen_subcommand_from ${names}' -a ${name} -d ${quotedForFish(text)}`,
      ...[...choices, ...(asks === null ? [] : [quoted(fishAsks(asks))])].map(
        (word) => `complete -c lastcall -n '__fish_seen_subcommand_from ${name}' -a ${word}`,
      ),
      ...options
        .filter((option) => !shared.has(option))
        .map(
          (option) => `complete -c lastcall -n '__fish_seen_subcommand_from ${name}' ${fishOption(option)}`,
        ),
    ]),
    '',
  ].join('\n');
}

function fishOption({ flags, text, value }: OptionWords): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const words = value?.asks ? fishAsks(value.asks) : (value?.choices.join(' ') ?? '');
  const choices = words === '' ? '' : ` -a '${words}'`;
  const takes = value === null ? '' : value.isFile ? ' -r -F' : ` -x${choices}`;
  return `${names.join(' ')}${takes} -d ${quotedForFish(text)}`;
}

function fishAsks(kind: WordKind): string {
  return `(lastcall ${COMPLETE} ${kind} (commandline -p) 2>/dev/null)`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function quotedForFish(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}
