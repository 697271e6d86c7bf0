"""Experiments, baselines and figures.

`recipes` names the experiments, `baselines` holds the schemes that are not one network, `figures`
draws saved rows; `studies` answer further questions, `speed` measures, `tools` are for the
development of semlink. The simulator reaches recipes and figures by `simulator/resolve.py` alone.
"""
