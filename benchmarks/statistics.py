"""Do the intervals cover what they claim? Simulated studies with known truth, as a table.

    python benchmarks/statistics.py [--studies 2000]

Every row simulates studies from the model of one method and counts how often its 95 % interval holds the truth (or,
for tests, how often they reject where they must not). Monte-Carlo error of a coverage near 0.95 with 2,000 studies is
0.005.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np

from calcimeasure.errors import UsageError
from calcimeasure.statistics import (
    ClusteredRatio,
    analysis_of_covariance,
    bland_altman,
    bootstrap_ratio,
    bootstrap_t_ratio,
    censored_geometric_mean_ratio,
    geometric_mean_ratio,
    intraclass_correlations,
    linearity,
    mixed_model_ratio,
    plan,
    posterior_ratio,
    proportion,
    rank_comparison,
    repeatability,
    reproducibility,
    sign_flip_test,
)
from calcimeasure.statistics.clustered import bca_interval
from calcimeasure.statistics.laws import normal_quantile

Study = Callable[[np.random.Generator], bool]


def holds(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def within_sd(rng: np.random.Generator) -> bool:
    values = rng.normal(0, 1, (10, 1)) + rng.normal(0, 0.3, (10, 2))
    return holds(repeatability(values.ravel(), np.repeat(np.arange(10), 2)).wsd_interval, 0.3)


def readers(rng: np.random.Generator) -> bool:
    table = rng.normal(0, 1, (20, 1)) + rng.normal(0, 0.1, (1, 4)) + rng.normal(0, 0.2, (20, 4))
    result = reproducibility(table, rng=rng, draws=2000)
    return holds(result.rdc_interval, 1.959964 * math.sqrt(2 * (0.1**2 + 0.2**2)))


def limit_of_agreement(rng: np.random.Generator) -> bool:
    result = bland_altman(rng.normal(0.1, 1.0, 15), np.zeros(15))
    return holds(result.upper_limit_interval, 0.1 + 1.959964)


def icc(form: str) -> Study:
    def study(rng: np.random.Generator) -> bool:
        table = rng.normal(0, 1, (20, 1)) + rng.normal(0, 0.3, (1, 4)) + rng.normal(0, 0.5, (20, 4))
        truth = 1 / (1 + 0.3**2 + 0.5**2) if form == "A,1" else 1 / (1 + 0.5**2)
        return holds(intraclass_correlations(table)[form].interval, truth)

    return study


def slope(rng: np.random.Generator) -> bool:
    truth = rng.uniform(-0.7, 0.7, 40)
    return holds(linearity(0.98 * truth + rng.normal(0, 0.05, 40), truth).slope_interval, 0.98)


def mean_ratio(patients: int) -> Study:
    def study(rng: np.random.Generator) -> bool:
        return holds(geometric_mean_ratio(rng.normal(0.1, 0.2, patients)).interval, math.exp(0.1))

    return study


def bootstrap_of_four(rng: np.random.Generator) -> bool:
    values = rng.normal(0.1, 0.2, 4)
    return holds(bca_interval(values, rng=rng, resamples=2000, confidence_level=0.95), 0.1)


def bootstrap_of_twenty(rng: np.random.Generator) -> bool:
    return holds(bootstrap_ratio(rng.normal(0.1, 0.2, 20), rng=rng, resamples=2000).interval, math.exp(0.1))


def mixed(rng: np.random.Generator) -> bool:
    counts = rng.integers(1, 8, 20)
    patients = np.repeat(np.arange(20), counts)
    values = 0.1 + rng.normal(0, 0.15, 20)[patients] + rng.normal(0, 0.1, patients.size)
    return holds(mixed_model_ratio(values, patients).interval, math.exp(0.1))


def arms(rng: np.random.Generator) -> bool:
    before = np.exp(rng.normal(3, 1, 24))
    names = ["placebo"] * 12 + ["drug"] * 12
    after = before**0.9 * np.exp(np.repeat([0.0, -0.2], 12) + rng.normal(0, 0.2, 24))
    (effect,) = analysis_of_covariance(before, after, names, reference="placebo")
    return holds(effect.interval, math.exp(-0.2))


def mean_with_zeros(patients: int, share_of_zeros: float) -> Study:
    """Log ratios of which a share lies below a bound that differs between patients: burdens that fell to zero."""

    def study(rng: np.random.Generator) -> bool:
        change = rng.normal(-0.3, 0.5, patients)
        bound = -0.3 + 0.5 * normal_quantile(share_of_zeros) + rng.normal(0.0, 0.3, patients)
        is_zero = change < bound
        try:
            result = censored_geometric_mean_ratio(np.where(is_zero, bound, change), np.where(is_zero, -1, 0))
        except UsageError:
            return study(rng)  # too few measured: the product gives no mean
        return holds(result.interval, math.exp(-0.3))

    return study


def arms_with_zeros(rng: np.random.Generator) -> bool:
    before = np.exp(rng.normal(2.5, 1, 24))
    names = ["placebo"] * 12 + ["drug"] * 12
    after = before**0.9 * np.exp(np.repeat([0.0, -0.7], 12) + rng.normal(0, 0.4, 24))
    after[after < 3.0] = 0.0
    (effect,) = analysis_of_covariance(before, after, names, reference="placebo", limit_of_detection=3.0)
    return holds(effect.interval, math.exp(-0.7))


def ranks_without_effect(rng: np.random.Generator) -> bool:
    change = rng.normal(0, 0.5, 16)
    sides = np.where(change < -0.5, -1, 0)
    names = ["placebo"] * 8 + ["drug"] * 8
    values = np.maximum(change, -0.5)
    return rank_comparison(values, sides, names, arm="drug", reference="placebo").p_value < 0.05


def equivalence_of_skewed(patients: int, *, robust: bool) -> Study:
    """Exponential errors whose mean lies on the lower margin."""

    def study(rng: np.random.Generator) -> bool:
        values = math.log(0.8) + 0.15 * (1.0 - rng.exponential(1.0, patients))
        result = bootstrap_t_ratio(values, rng=rng, resamples=2000) if robust else geometric_mean_ratio(values)
        low, high = result.interval if isinstance(result, ClusteredRatio) else result.interval_90
        return low > 0.8 and high < 1.25

    return study


def informative_clusters(rng: np.random.Generator) -> bool:
    # Patients with many deposits change more.
    counts = rng.integers(1, 10, 20)
    patients = np.repeat(np.arange(20), counts)
    values = 0.03 * counts[patients] + rng.normal(0, 0.1, patients.size)
    return holds(mixed_model_ratio(values, patients, by_patient=True).interval, math.exp(0.15))


def posterior(rng: np.random.Generator) -> bool:
    # Truth drawn from the prior: a Bayesian interval is calibrated on average over it.
    mu, tau = rng.normal(0, 0.5), abs(rng.normal(0, 0.25))
    errors = rng.uniform(0.03, 0.1, 4)
    return holds(posterior_ratio(rng.normal(mu, np.hypot(tau, errors)), errors).interval, math.exp(mu))


def share(rng: np.random.Generator) -> bool:
    return holds(proportion(int(rng.binomial(20, 0.15)), 20).interval, 0.15)


def equivalence_at_the_margin(rng: np.random.Generator) -> bool:
    return geometric_mean_ratio(rng.normal(math.log(1.25), 0.08, 8)).equivalent


def sign_flips(rng: np.random.Generator) -> bool:
    return sign_flip_test(rng.normal(0, 0.2, 8)).p_two_sided < 0.05


PLANNED = plan(patients=6, within_cv=0.10, true_ratio_change=1.2)


def planned_equivalence(rng: np.random.Generator) -> bool:
    return geometric_mean_ratio(rng.normal(0, PLANNED.log_sd, 6)).equivalent


def planned_change(rng: np.random.Generator) -> bool:
    return geometric_mean_ratio(rng.normal(math.log(1.2), PLANNED.log_sd, 6)).p_no_change < 0.05


ROWS: list[tuple[str, str, Study]] = [
    ("within-subject SD, chi-square limits, 10 pairs", "0.95", within_sd),
    ("reproducibility coefficient, generalised interval, 20 items x 4 readers", "0.95", readers),
    ("upper limit of agreement, exact, 15 pairs", "0.95", limit_of_agreement),
    ("ICC(A,1), 20 items x 4 readers", "0.95", icc("A,1")),
    ("ICC(C,1), 20 items x 4 readers", "0.95", icc("C,1")),
    ("slope of linearity, 40 deposits", "0.95", slope),
    ("geometric mean ratio, t, 4 patients", "0.95", mean_ratio(4)),
    ("geometric mean ratio, t, 20 patients", "0.95", mean_ratio(20)),
    ("geometric mean ratio, bootstrap, 4 patients (refused by the product)", "0.80-0.86", bootstrap_of_four),
    ("geometric mean ratio, bootstrap, 20 patients", "0.95", bootstrap_of_twenty),
    ("mean ratio of deposits, mixed model, 20 patients", "0.95", mixed),
    ("ANCOVA ratio of two arms of 12", "0.95", arms),
    ("Bayesian interval, 4 patients, truth drawn from the prior", "0.95", posterior),
    ("share, Clopper-Pearson, 20 patients", ">= 0.95", share),
    ("equivalence shown where the truth lies on the margin, 8 patients", "<= 0.05", equivalence_at_the_margin),
    ("sign-flip test rejects where nothing changed, 8 patients", "<= 0.05", sign_flips),
    ("planned power of equivalence, 6 patients, CV 10 %", f"{PLANNED.power_equivalence:.3f}", planned_equivalence),
    ("planned power of a 20 % change, 6 patients, CV 10 %", f"{PLANNED.power_change:.3f}", planned_change),
    ("geometric mean ratio, 15 % zeros, 4 patients", "0.95", mean_with_zeros(4, 0.15)),
    ("geometric mean ratio, 15 % zeros, 10 patients", "0.95", mean_with_zeros(10, 0.15)),
    ("geometric mean ratio, 15 % zeros, 20 patients", "0.95", mean_with_zeros(20, 0.15)),
    ("geometric mean ratio, 40 % zeros, 20 patients", "0.95", mean_with_zeros(20, 0.40)),
    ("ANCOVA ratio of two arms of 12, zeros", "0.95", arms_with_zeros),
    ("Gehan's test rejects where arms do not differ, 8 and 8, zeros", "<= 0.05", ranks_without_effect),
    ("equivalence at the margin, skewed errors, t, 20 patients", "<= 0.05", equivalence_of_skewed(20, robust=False)),
    ("the same, bootstrap-t", "<= 0.05", equivalence_of_skewed(20, robust=True)),
    ("mean over patients, size of clusters informative, 20 patients", "0.95", informative_clusters),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--only", default="", help="Rows whose name holds this text.")
    options = parser.parse_args()
    studies = options.studies
    print("| method | claimed | simulated | studies | seconds |")
    print("|---|---|---|---|---|")
    for index, (name, claimed, study) in enumerate(ROWS):
        if options.only not in name:
            continue
        rng = np.random.default_rng([20_261_122, index])
        started = time.perf_counter()
        simulated = np.mean([study(rng) for _ in range(studies)])
        seconds = time.perf_counter() - started
        print(f"| {name} | {claimed} | {simulated:.3f} | {studies} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
