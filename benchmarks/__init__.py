"""Questions asked of the simulator.

`recipes` names the experiments, `baselines` holds the schemes that are not one network, `figures`
draws saved rows and `figure_plans` says what each figure shows. Nothing here is imported by the
simulator; the command line finds recipes and figures by name at run time.
"""
