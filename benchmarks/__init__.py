"""Experiments, baselines and figures.

`recipes` names the experiments, `baselines` holds the schemes that are not one network, `figures`
draws saved rows; `studies` ask further questions, `speed` measures, `tools` are for those who work
on semlink. The simulator reaches recipes and figures by `simulator/resolve.py` alone.
"""
