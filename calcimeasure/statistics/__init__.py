"""Numbers only, no images: repeatability, agreement, equivalence, cohorts, planning. Usable on their own.

Each function returns a frozen dataclass or a tidy DataFrame, and names the source of its method. scipy does the laws;
random numbers come from a generator that the caller passes.
"""

from __future__ import annotations

from calcimeasure.statistics.agreement import BlandAltman, Linearity, bland_altman, linearity, tolerance_factor
from calcimeasure.statistics.ancova import ArmEffect, analysis_of_covariance
from calcimeasure.statistics.bayes import Posterior, posterior_ratio
from calcimeasure.statistics.censored import (
    CensoredFit,
    CensoredRegression,
    censored_geometric_mean_ratio,
)
from calcimeasure.statistics.clustered import ClusteredRatio, bootstrap_ratio, bootstrap_t_ratio, mixed_model_ratio
from calcimeasure.statistics.detectable import DetectableChange, detectable_change
from calcimeasure.statistics.detection import LimitOfDetection, limit_of_detection
from calcimeasure.statistics.equivalence import (
    GeometricMeanRatio,
    OneSidedTests,
    geometric_mean_ratio,
    two_one_sided_tests,
)
from calcimeasure.statistics.icc import IntraclassCorrelation, intraclass_correlations
from calcimeasure.statistics.missing import Observation, observed_area, replace_zeros, zero_sensitivity
from calcimeasure.statistics.planning import (
    Detectable,
    Plan,
    could_have_detected,
    log_ratio_sd,
    patients_for_change,
    patients_for_equivalence,
    plan,
    power_of_change,
    power_of_equivalence,
    smallest_change_detected,
)
from calcimeasure.statistics.proportion import Proportion, proportion
from calcimeasure.statistics.ranks import RankComparison, SignTest, rank_comparison, sign_test
from calcimeasure.statistics.reader_components import ReaderComponents, reader_components
from calcimeasure.statistics.repeatability import (
    PrecisionCurve,
    Repeatability,
    cv_of_log_sd,
    log_sd_of_cv,
    precision_curve,
    precision_profile,
    repeatability,
    upper_limit_of_cv,
)
from calcimeasure.statistics.reproducibility import Reproducibility, reproducibility
from calcimeasure.statistics.signflip import SignFlip, sign_flip_test

__all__ = [
    "ArmEffect",
    "BlandAltman",
    "CensoredFit",
    "CensoredRegression",
    "ClusteredRatio",
    "Detectable",
    "DetectableChange",
    "GeometricMeanRatio",
    "IntraclassCorrelation",
    "LimitOfDetection",
    "Linearity",
    "Observation",
    "OneSidedTests",
    "Plan",
    "Posterior",
    "PrecisionCurve",
    "Proportion",
    "RankComparison",
    "ReaderComponents",
    "Repeatability",
    "Reproducibility",
    "SignFlip",
    "SignTest",
    "analysis_of_covariance",
    "bland_altman",
    "bootstrap_ratio",
    "bootstrap_t_ratio",
    "censored_geometric_mean_ratio",
    "could_have_detected",
    "cv_of_log_sd",
    "detectable_change",
    "geometric_mean_ratio",
    "intraclass_correlations",
    "limit_of_detection",
    "linearity",
    "log_ratio_sd",
    "log_sd_of_cv",
    "mixed_model_ratio",
    "observed_area",
    "patients_for_change",
    "patients_for_equivalence",
    "plan",
    "posterior_ratio",
    "power_of_change",
    "power_of_equivalence",
    "precision_curve",
    "precision_profile",
    "proportion",
    "rank_comparison",
    "reader_components",
    "repeatability",
    "replace_zeros",
    "reproducibility",
    "sign_flip_test",
    "sign_test",
    "smallest_change_detected",
    "tolerance_factor",
    "two_one_sided_tests",
    "upper_limit_of_cv",
    "zero_sensitivity",
]
