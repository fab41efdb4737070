/** Every limit of reading and replaying workflows, with its reason. */

export const WORKFLOW_LIMITS = {
  /** Characters of one file: the largest public ones have some 200 million. */
  fileCharacters: 1 << 28,
  /** Tasks of one workflow: a schedule looks at each for some thousand places. */
  tasks: 50_000,
  /** Dependencies of one workflow. */
  dependencies: 1_000_000,
  /** Elements within elements of a DAX file, which has three. */
  xmlDepth: 32,
  /** Cores that a workflow is placed on: each is looked at for each task. */
  cores: 10_000,
  /** Schedules that a search tries before it takes the best. */
  attempts: 10_000,
  /** Steps of the cost table of PEFT, dependencies times cores squared: some tens of seconds. */
  peftSteps: 1e10,
  /** Schedules that `anneal` tries: some seconds for a workflow of a thousand tasks. */
  annealEvaluations: 2000,
} as const;
