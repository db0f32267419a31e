"""Names: each module and each public thing has one of its own, and the names of before the new layout are gone."""

from __future__ import annotations

import ast
import codecs
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("calcimeasure", "plugins") for path in (ROOT / folder).rglob("*.py"))
READ = {".py", ".md", ".yaml", ".j2", ".toml"}
WRITTEN_BEFORE = ROOT / "tests" / "compatibility" / "data"

# In rot13, so that a search for an old name finds what is left of it and not this list.
GONE = """
Ebbz Qrfx Sberfrra frra_bs_obgu frra_bs_obgu_fbba xrcg_jvgu_svyz EngvbBsObgu JbexvatSvyz ybbx_ntnva
whqtr_gbtrgure sbhaq_ba svaq_bhg YbarQrcbfvgf YvirSvyz UnaqYvax EngvbZrzbel anzrf_bs ARVTUOBHE_ERNPU
PNFG_ZNETVA_ZZ znxr_jbexvat ybnq_whqtr zngpu_jvaqbjf phg_jvaqbjf DHNEGRE_GHEAF_QRT GHEAF_NOBHG_QRT CVGPU_ZZ
cynprf_bs_obgu wbvag_cebonovyvgvrf wbvarq_va pneevrq_znfx fvtug_bs cerfrapr_bs jvgu_nofraprf
bhgyvarq_ol_cebtenz vf_oheag_bhg cynar_bs fvqrf_bs cnve_zngrevny svyz_zngrevny ragel_bs yvax_ol_unaq
znfxf_ba_vachg bhgyvarf_vafgnyyrq frra_ol_bhgyvarf svyz_cvkryf_n_zz vf_vafgnyyrq jvaqbj_ng jvaqbj_bs
jvaqbjf_bs ynvq_ba cneg_bs pbirentr_bs bhgyvar_bs xabja_ck engvb_bs_rqtrf znc_bs_svyz ertvba_haqre qb_ernqvat
qb_cnve tvir_hc CnffvatReebe cvgpu_zz pbnefr_cbfrf
"""
# Plain words that no class or function may be called by.
NO_DEFINITIONS = """
Unaq Obneq Zngrevny Juvpu Fvtug Cercnerq Erqhprq Xabja Fvqr Cynar Sbhaq Fgrc Punatrq Cynpr Frffvba Cbfr Cvrpr
Znex Fubja Whqtr Pryyf Jvaqbjf Zngpurf Cngpu Ragel Rqvg Jvaqbj Svg Cbyvfurq Cynprf Zrzbel Cnary Ivrj Pnfr
Cebterff Ybbxf qbhogrq wbvarq jvqrarq erahzorerq bireevqqra gbyq fuehax tebja oyraq cbyvfu tngure whqtr
gbtrgure nqbcg jubyr
"""
# Old names of modules.
NO_MODULES = """
obneq pneevrq wbvag evtvq negvphyngvba ybar frra_ntnva fcrpxf jvaqbjf gjb_guernqf zngrevny erfuncr gbyq jbeqf
yvaxvat yvir ybpx ebjf frffvba fgber gbbyf ebbz qrfx zbhfr nfxvat ybbxvat cnary ivrj pbzznaqf orfvqr qrpynerq
anzvat gelvat xrcg bppnfvba znxre ohaqyr
"""

# A command is called as the user types it, and does what the function of that name does.
COMMANDS = ROOT / "calcimeasure" / "cli"
SHARED = {"main"}
"""What two modules may both define: each program has its own `main`."""


def plain(names: str) -> set[str]:
    return set(codecs.decode(names, "rot13").split())


def definitions(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def test_no_two_modules_share_a_name() -> None:
    paths = defaultdict(list)
    for path in SOURCES:
        if not path.stem.startswith("__"):
            paths[path.stem].append(path.relative_to(ROOT).as_posix())
    assert {name: where for name, where in paths.items() if len(where) > 1} == {}
    assert sorted(set(paths) & plain(NO_MODULES)) == []


def test_no_two_modules_define_a_public_thing_of_one_name() -> None:
    paths = defaultdict(list)
    for path in SOURCES:
        if not path.is_relative_to(COMMANDS):
            for name in definitions(path):
                paths[name].append(path.relative_to(ROOT).as_posix())
    public = {name: where for name, where in paths.items() if not name.startswith("_") and name not in SHARED}
    assert {name: where for name, where in public.items() if len(where) > 1} == {}
    assert sorted(set(public) & plain(NO_DEFINITIONS)) == []


def test_old_names_are_gone() -> None:
    gone = plain(GONE)
    files = (path for folder in ("calcimeasure", "plugins", "docs", "tests") for path in (ROOT / folder).rglob("*"))
    left = {
        path.relative_to(ROOT).as_posix(): sorted(found)
        for path in files
        if path.suffix in READ and not path.is_relative_to(WRITTEN_BEFORE)
        if (found := gone & set(re.findall(r"\w+", path.read_text(encoding="utf-8"))))
    }
    assert left == {}
