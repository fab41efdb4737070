"""DEAP's NSGA-II on ZDT1. Arguments: seed, evaluations, population. Prints JSON: evaluations, seconds."""
import array
import json
import random
import sys
import time

from deap import base, benchmarks, creator, tools

VARIABLES = 30


def main(seed, evaluations, population_size):
    random.seed(seed)
    creator.create("Least", base.Fitness, weights=(-1.0, -1.0))
    creator.create("Individual", array.array, typecode="d", fitness=creator.Least)
    toolbox = base.Toolbox()
    toolbox.register("variables", lambda: [random.random() for _ in range(VARIABLES)])
    toolbox.register("individual", tools.initIterate, creator.Individual, toolbox.variables)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("evaluate", benchmarks.zdt1)
    toolbox.register("mate", tools.cxSimulatedBinaryBounded, low=0.0, up=1.0, eta=20.0)
    toolbox.register("mutate", tools.mutPolynomialBounded, low=0.0, up=1.0, eta=20.0, indpb=1.0 / VARIABLES)
    toolbox.register("select", tools.selNSGA2)

    started = time.perf_counter()
    population = toolbox.population(n=population_size)
    for individual in population:
        individual.fitness.values = toolbox.evaluate(individual)
    done = population_size
    population = toolbox.select(population, population_size)
    while done + population_size <= evaluations:
        offspring = [toolbox.clone(one) for one in tools.selTournamentDCD(population, population_size)]
        for first, second in zip(offspring[::2], offspring[1::2]):
            if random.random() <= 0.9:
                toolbox.mate(first, second)
            toolbox.mutate(first)
            toolbox.mutate(second)
        for individual in offspring:
            individual.fitness.values = toolbox.evaluate(individual)
        done += population_size
        population = toolbox.select(population + offspring, population_size)
    print(json.dumps({"evaluations": done, "seconds": time.perf_counter() - started}))


main(*(int(argument) for argument in sys.argv[1:4]))
