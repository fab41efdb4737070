/** A thread that makes individuals and pairs of a population in shared memory. */
import { parentPort } from 'node:worker_threads';
import { FogError } from '@fog/contract';
import { Breeder } from '../nsga2.ts';
import type { Problem } from '../problem.ts';
import type { Answer, Order } from './messages.ts';

let breeder: Breeder | null = null;

parentPort?.on('message', (order: Order) => {
  void answerTo(order).then((answer) => parentPort?.postMessage(answer));
});

async function answerTo(order: Order): Promise<Answer> {
  try {
    await carryOut(order);
    return { problem: null };
  } catch (error) {
    return { problem: FogError.from(error).toProblem() };
  }
}

async function carryOut(order: Order): Promise<void> {
  if (order.type === 'begin') {
    const { module, name, argument } = order.source;
    const made = (await import(module))[name];
    if (typeof made !== 'function') {
      throw new FogError('invalid-configuration', `${module} exports no function ${name}`, {
        hint: 'name one that makes the problem',
      });
    }
    breeder = new Breeder(made(argument) as Problem, order.settings, order.population);
    return;
  }
  if (breeder === null) throw new FogError('internal', 'a worker was asked to work before it was told on what');
  for (let at = order.from; at < order.to; at += 1) {
    if (order.type === 'create') breeder.createIndividual(at);
    else breeder.breedPair(order.generation, at);
  }
}
