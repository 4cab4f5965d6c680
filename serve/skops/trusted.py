"""The types that a model.skops may hold beside skops' own list, each with its reason (stdlib only).

skops' own list: the estimators of scikit-learn, numpy's arrays, Python's containers. Loading such a file builds what it
names, and may call a type or function of this list with whatever arguments the file gives. So an entry has to be
harmless whatever it is called with: nothing that opens, imports, evaluates or starts anything. Whoever adds one says
for which estimator, and finds out that a changed copy of it can do no more than give wrong numbers; what indexes
arrays without looking, as trees do, is looked at in serve/skops/sound.py.
"""

TRUSTED = {
    "functools.partial": "histogram gradient boosting with categorical_features: how it checks its numbers",
    "numpy.dtype": "SimpleImputer and KBinsDiscretizer: the type of their numbers",
    "scipy._lib.array_api_compat.numpy._aliases.asarray": "SplineTransformer: numpy's asarray, by scipy's name",
    "scipy.interpolate._bsplines.BSpline": "SplineTransformer: the splines; looked at",
    "sklearn.calibration._CalibratedClassifier": "CalibratedClassifierCV: a classifier and how it is bent",
    "sklearn.calibration._SigmoidCalibration": "CalibratedClassifierCV: two numbers",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": "histogram gradient boosting; looked at",
    "sklearn.feature_selection._univariate_selection.f_classif": "SelectKBest and its kin: called when fitted",
    "sklearn.feature_selection._univariate_selection.f_regression": "the same for numbers",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer": "MLPClassifier and MLPRegressor: used when fitted",
    "sklearn.tree._tree.Tree": "decision trees, forests, gradient boosting; looked at",
    "sklearn.utils._bunch.Bunch": "voting and stacking: a dict of their estimators by name",
    "sklearn.utils.validation.check_array": "histogram gradient boosting with categorical_features",
}
