/** Completion scripts. They hold all words: completing starts no program and works while no fog runs. */
import type { CommandWords } from './command-tree.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, tree: readonly CommandWords[]): string {
  if (shell === 'fish') return fishScript(tree);
  return shell === 'bash' ? bashScript(tree) : zshScript(tree);
}

function bashScript(tree: readonly CommandWords[]): string {
  return `# fog completion for bash: eval "$(fog completion bash)"
_fog() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" words="" files=0 index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "$path \${COMP_WORDS[index]}" in
${groupPaths(tree, '      ', (path) => `" ${path}") path=" ${path}" ;;`)}
    esac
  done
  case "$path $previous" in
${choiceCases(tree, '    ', (path, flag, choices) => `"${path === '' ? '' : ` ${path}`} ${flag}") COMPREPLY=($(compgen -W "${choices}" -- "$current")); return ;;`)}
  esac
  case "$path" in
${tree.map((words) => `    "${words.path === '' ? '' : ` ${words.path}`}") words="${allWords(words)}"; files=${words.takesFiles ? 1 : 0} ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ $files == 1 || "$previous" == --* ]] && [[ "$current" != -* ]]; then
    COMPREPLY+=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _fog fog
`;
}

function zshScript(tree: readonly CommandWords[]): string {
  return `#compdef fog
# fog completion for zsh: source <(fog completion zsh)
_fog() {
  local path_="" index files=0
  local -a words_
  for ((index = 2; index < CURRENT; index++)); do
    case "$path_ \${words[index]}" in
${groupPaths(tree, '      ', (path) => `" ${path}") path_=" ${path}" ;;`)}
    esac
  done
  case "$path_ \${words[CURRENT-1]}" in
${choiceCases(tree, '    ', (path, flag, choices) => `"${path === '' ? '' : ` ${path}`} ${flag}") compadd -- ${choices}; return ;;`)}
  esac
  case "$path_" in
${tree.map((words) => `    "${words.path === '' ? '' : ` ${words.path}`}") words_=(${zshWords(words)}); files=${words.takesFiles ? 1 : 0} ;;`).join('\n')}
  esac
  _describe 'fog' words_
  if [[ $files == 1 || "\${words[CURRENT-1]}" == --* ]]; then _files; fi
}
compdef _fog fog
`;
}

function fishScript(tree: readonly CommandWords[]): string {
  const lines = tree.flatMap((words) => {
    const condition = `-n '__fog_at ${singleQuoted(words.path)}'`;
    return [
      ...words.commands.map(
        ({ name, description }) => `complete -c fog ${condition} -f -a ${name} -d '${fishText(description)}'`,
      ),
      ...words.options.map(({ flags, description, takesValue, choices }) => {
        const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
        const value = choices.length > 0 ? ` -x -a '${choices.join(' ')}'` : takesValue ? ' -r' : '';
        return `complete -c fog ${condition} ${names.join(' ')}${value} -d '${fishText(description)}'`;
      }),
      ...(words.takesFiles ? [`complete -c fog ${condition} -F`] : []),
    ];
  });
  return `# fog completion for fish: fog completion fish | source
function __fog_at
    set -l path
    for word in (commandline -opc)[2..]
        switch (string join ' ' $path $word)
${groupPaths(tree, '            ', (path) => `case '${path}'\n                set path ${path}`)}
        end
    end
    test (string join ' ' $path) = "$argv"
end
complete -c fog -f
${lines.join('\n')}
`;
}

function groupPaths(tree: readonly CommandWords[], indent: string, line: (path: string) => string): string {
  return tree
    .filter((words) => words.path !== '')
    .map((words) => indent + line(words.path))
    .join('\n');
}

function choiceCases(
  tree: readonly CommandWords[],
  indent: string,
  line: (path: string, flag: string, choices: string) => string,
): string {
  return tree
    .flatMap((words) =>
      words.options.flatMap((option) =>
        option.choices.length === 0
          ? []
          : option.flags.map((flag) => indent + line(words.path, flag, option.choices.join(' '))),
      ),
    )
    .join('\n');
}

function allWords(words: CommandWords): string {
  return [...words.commands.map(({ name }) => name), ...words.options.flatMap(({ flags }) => flags)].join(' ');
}

function zshWords(words: CommandWords): string {
  const described = [
    ...words.commands.map(({ name, description }) => `${name}:${description}`),
    ...words.options.flatMap(({ flags, description }) => flags.map((flag) => `${flag}:${description}`)),
  ];
  return described.map((text) => `'${text.replaceAll("'", "'\\''")}'`).join(' ');
}

function singleQuoted(text: string): string {
  return text === '' ? '' : `"${text}"`;
}

function fishText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}
