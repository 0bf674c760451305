"""The words of other frameworks (Keras, PyTorch, Caffe, NumPy, JAX, Python), with what is written in their place here.

A row is what to write, then the words that mean it; words that differ from one of ours in case or underscores alone need no
row. In the rows `x` is f32[N, 4], `image` f32[N, 3, 8, 8], `sequence` f32[N, 5, 4], `tokens` i64[N, 5]; `y` are three scores
for the class `t`, `z` is one score for the truth value `b`, and `r` is a target of the shape of y.
"""

from __future__ import annotations


def by_word(table: dict[str, str]) -> dict[str, str]:
    """Word -> what to write in its place."""
    return {word: written for written, words in table.items() for word in words.split()}


# An expression.
EXPRESSIONS: dict[str, str] = {
    "x -> Dense(3)": "Linear LazyLinear linear Affine affine InnerProduct inner_product FullyConnected fully_connected fc",
    "x -> Dense(3) -> relu": "Sequential sequential Chain Compose MLP mlp",
    "x + (x -> Dense(4))": "Residual residual skip shortcut",
    "x -> relu": "Activation activation act nonlinearity",
    "x -> silu": "swish",
    "x -> sigmoid": "logistic expit",
    "x -> clip(0, 6)": "relu6",
    "x -> clip(-1, 1)": "hardtanh hard_tanh clamp clip_by_value",
    "x -> leaky_relu(0.01)": "lrelu",
    "x -> dropout(0.1)": "Dropout1d Dropout2d Dropout3d SpatialDropout1D SpatialDropout2D AlphaDropout GaussianDropout "
    "GaussianNoise noise",
    "x -> standardize": "StandardScaler Normalization standardise standard_scaler zscore z_score scale_features",
    "x -> BatchNorm": "BatchNorm1d BatchNorm2d BatchNorm3d BatchNormalization batch_normalization SyncBatchNorm",
    "x / sqrt(mean(x^2, axis = -1, keep = true) + 1e-6)": "RMSNorm rms_norm",
    "x / norm(x, axis = -1, keep = true)": "normalize l2_normalize UnitNormalization",
    "image -> flatten": "ravel",
    "x -> reshape([N, 2, 2])": "view view_as resize unflatten",
    "transpose(image, (0, 2, 3, 1))": "permute moveaxis movedim swapaxes rearrange",
    "concat(x, y)": "cat concatenate hstack vstack merge append",
    "x -> split(2)": "chunk unstack unbind tensor_split",
    "unsqueeze(x, 1)": "expand_dims newaxis",
    "expand(unsqueeze(x, 1), [N, 3, 4])": "broadcast_to expand_as",
    "gather(x, t)": "take index_select embedding_lookup take_along_axis",
    "one_hot(t, 3)": "to_categorical get_dummies",
    "x^2": "pow power square",
    "x + x": "add plus Add AddV2 add_n",
    "x - x": "sub subtract minus Sub",
    "x * x": "mul multiply times hadamard Mul",
    "x / 2": "div divide true_divide truediv Div",
    "x // 2": "floor_divide floordiv",
    "x % 2": "mod fmod remainder",
    "-x": "neg negative negate",
    "x @ transpose(x)": "matmul mm bmm dot tensordot gemm inner",
    "sum(x)": "reduce_sum total cumulative add_all",
    "mean(x)": "reduce_mean average avg",
    "max(x)": "reduce_max amax",
    "min(x)": "reduce_min amin",
    "prod(x)": "reduce_prod product",
    "variance(x)": "var reduce_variance",
    "norm(x)": "l2_norm vector_norm",
    "maximum(x, 0)": "fmax",
    "minimum(x, 0)": "fmin",
    "abs(x)": "fabs absolute",
    "log(x)": "ln",
    "1 / sqrt(x)": "rsqrt",
    "1 / x": "inv inverse recip",
    "sign(x)": "sgn signum",
    "round(x)": "rint",
    "where(x > 0, x, 0)": "select cond masked_fill ifelse iif choose",
    "x > 0": "greater gt greater_than",
    "x < 0": "less lt less_than",
    "x >= 0": "greater_equal ge",
    "x <= 0": "less_equal le",
    "x == 0": "equal eq",
    "x != 0": "not_equal ne",
    "x > 0 and x < 1": "logical_and bitwise_and",
    "x < 0 or x > 1": "logical_or bitwise_or",
    "not (x > 0)": "logical_not bitwise_not",
    "stop_gradient(x)": "detach no_grad",
    "gradient(mean(x^2), x)": "grad autograd jacobian GradientTape",
    "f32(x)": "float float32 to_float cast astype asarray tensor as_tensor single",
    "f64(x)": "double float64",
    "f16(x)": "half float16 bfloat16",
    "i64(t)": "int int64 long integer",
    "i32(t)": "int32",
    "x": "identity Lambda noop jit vmap pmap remat",
    "zeros(x.shape)": "zeros_like",
    "ones(x.shape)": "ones_like",
    "full(x.shape, 2)": "full_like fill",
    "range(4)": "arange iota",
    "range(0, 1.25, 0.25)": "linspace",
    "x / maximum(norm(x), 1)": "clip_by_norm",
    "true": "yes on",
    "false": "no off",
    "softmax_cross_entropy(y, t)": "cross_entropy CrossEntropyLoss CrossEntropy crossentropy cross_entropy_loss log_loss "
    "categorical_crossentropy CategoricalCrossentropy sparse_categorical_crossentropy SparseCategoricalCrossentropy "
    "softmax_cross_entropy_with_logits sparse_softmax_cross_entropy_with_logits SoftmaxWithLoss xent",
    "nll(log_softmax(y), t)": "nll_loss NLLLoss",
    "sigmoid_cross_entropy(z, b)": "BCEWithLogitsLoss BCELoss BCE bce bce_loss binary_crossentropy BinaryCrossentropy "
    "binary_cross_entropy binary_cross_entropy_with_logits sigmoid_cross_entropy_with_logits MultiLabelSoftMarginLoss",
    "mean_squared_error(y, r)": "mse MSE mse_loss MSELoss l2_loss EuclideanLoss L2Loss",
    "sqrt(mean_squared_error(y, r))": "rmse root_mean_squared_error",
    "mean_absolute_error(y, r)": "mae MAE mae_loss l1_loss L1Loss",
    "huber(y, r)": "huber_loss HuberLoss smooth_l1_loss SmoothL1Loss smooth_l1",
    "hinge(y, t)": "hinge_loss MultiMarginLoss multi_margin_loss categorical_hinge",
    "kl_divergence(log_softmax(y), softmax(r))": "kl kld kl_div KLDivLoss kullback_leibler_divergence",
    "accuracy(y, t)": "acc categorical_accuracy sparse_categorical_accuracy accuracy_score",
    "accuracy(y, t, k = 2)": "top_k_accuracy top_k_categorical_accuracy",
    "f1(z, b)": "f1_score",
    "precision(z, b)": "precision_score",
    "recall(z, b)": "recall_score sensitivity",
    "r2(y, r)": "r2_score",
    'l2("*.weight")': "l2_regularizer l2_penalty l2_regularization L2Regularization ridge weight_decay",
    'l1("*.weight")': "l1_regularizer l1_penalty l1_regularization lasso",
    "x -> Dense(3, init = he_normal)": "kaiming_normal kaiming msra",
    "x -> Dense(3, init = he_uniform)": "kaiming_uniform",
    "x -> Dense(3, init = glorot_normal)": "xavier_normal",
    "x -> Dense(3, init = glorot_uniform)": "xavier xavier_uniform glorot",
    "x -> Dense(3, init = normal(std = 0.02))": "gaussian random_normal randn truncated_normal trunc_normal",
    "x -> Dense(3, init = uniform(-0.1, 0.1))": "random_uniform rand",
    "mean(image, axis = (2, 3))": "global_average_pool GlobalAveragePooling2D GlobalAvgPool2D AdaptiveAvgPool2d "
    "adaptive_avg_pool2d GlobalAveragePool",
    "softmax(sequence @ transpose(sequence) / 2) @ sequence": "attention Attention MultiHeadAttention MultiheadAttention "
    "self_attention scaled_dot_product_attention",
    "sum(x * x, axis = -1) / (norm(x, axis = -1) * norm(x, axis = -1))": "cosine_similarity CosineSimilarity",
    "norm(x - x, axis = -1)": "pairwise_distance PairwiseDistance cdist",
    "x.shape[0]": "batch_size batchsize len",
}
# Lines of the net.
LINES: dict[str, str] = {
    "input v: f32[N, 4]": "Input InputLayer placeholder Placeholder",
    "param v: f32[4, 3] = he_normal": "Parameter Variable get_variable",
    "a, g = x -> split(2); h = a * sigmoid(g)": "GLU glu",
    "output probability = softmax(y)": "predict Model",
    "metric top = accuracy(y, t)": "metrics",
}
# Lines of the net that call ONNX operators where this version has no word of its own.
UNAVAILABLE: dict[str, str] = {
    "param k: f32[8, 3, 3, 3] = normal(0.1); h = onnx.Conv(image, k)": "Conv Conv1d Conv2d Conv3d Conv1D Conv2D Conv3D conv "
    "conv1d conv2d Convolution Convolution2D",
    "param k: f32[3, 8, 3, 3] = normal(0.1); h = onnx.ConvTranspose(image, k)": "ConvTranspose ConvTranspose2d "
    "Conv2DTranspose Deconvolution",
    "h = onnx.MaxPool(image, kernel_shape = [2, 2], strides = [2, 2])": "MaxPool MaxPool1d MaxPool2d MaxPooling1D MaxPooling2D "
    "max_pool max_pool2d Pooling",
    "h = onnx.AveragePool(image, kernel_shape = [2, 2], strides = [2, 2])": "AveragePool AvgPool AvgPool2d AveragePooling2D "
    "average_pool avg_pool avg_pool2d",
    "param g: f32[4] = ones; h = onnx.LayerNormalization(x, g)": "LayerNorm LayerNormalization layer_normalization",
    "param g: f32[3] = ones; param c: f32[3] = zeros; h = onnx.InstanceNormalization(image, g, c)": "InstanceNorm "
    "InstanceNorm2d InstanceNormalization GroupNorm GroupNormalization",
    "param table: f32[100, 16] = normal; h = gather(table, tokens)": "Embedding embedding EmbeddingBag",
    "param place: f32[5, 4] = normal; h = sequence + place": "positions PositionalEncoding PositionEmbedding",
}
# Layers that no line of a net computes.
MODELS = by_word(
    {"": "LSTM LSTMCell GRU GRUCell RNN SimpleRNN Bidirectional TimeDistributed Transformer TransformerEncoder"}
)
# Names of nothing.
NOTHING = by_word({"": "None null nil NULL undefined"})
# Settings of the train block.
TRAIN: dict[str, str] = {
    "optimizer = adam(rate = 1e-3)": "lr learning_rate rate base_lr step_size opt optim solver optimiser updater algorithm",
    "optimizer = sgd(rate = 0.1, momentum = 0.9)": "momentum nesterov",
    "optimizer = adamw(weight_decay = 1e-2)": "weight_decay wd decay l2 regularization",
    "optimizer = adam(rate = cosine(1e-3, warmup = 100))": "schedule scheduler lr_scheduler lr_schedule lr_policy lr_decay "
    "warmup warmup_steps",
    "batch = 32": "batch_size batchsize bs minibatch mini_batch",
    "epochs = 10": "num_epochs n_epochs max_epochs max_epoch epoch nb_epoch",
    "steps = 1000": "max_iter max_iters num_steps n_steps max_steps iterations num_iterations train_steps",
    "stop = early(val.loss, patience = 5)": "early_stopping early_stop EarlyStopping early patience monitor callbacks callback",
    "keep = best(val.loss)": "ModelCheckpoint save_best save_best_only restore_best_weights checkpoint best_model",
    "plateau = reduce(val.loss, patience = 3)": "reduce_lr reduce_on_plateau ReduceLROnPlateau",
    "clip_norm = 1": "grad_clip gradient_clip gradient_clipping max_grad_norm clip_grad clip_gradients clip",
    "average = ema(0.999)": "ema ema_decay moving_average swa",
    "seed = 1": "random_seed random_state manual_seed rng",
    'rule "*.bias" { freeze }': "trainable frozen requires_grad",
}
# What is said on the command line.
OPTIONS: dict[str, str] = {"netc run SPEC --device cuda": "device gpu cuda accelerator"}
# Lines that the train block does not have, but the net.
NET: dict[str, str] = {
    "loss = softmax_cross_entropy(y, t)": "loss loss_fn loss_function criterion objective",
    "metric top = accuracy(y, t)": "metric metrics",
    'loss = softmax_cross_entropy(y, t) + 1e-4 * l2("*.weight")': "weight_regularizer kernel_regularizer",
    "h = x -> dropout(0.1)": "dropout",
    "h = x -> standardize": "normalize standardize normalise scale preprocess",
    "loss = softmax_cross_entropy(y, t, weight = x[:, 3])": "sample_weight sample_weights row_weight",
    "loss = softmax_cross_entropy(y, t, weight = gather([1, 5, 2], t))": "class_weight class_weights",
    "loss = sigmoid_cross_entropy(y, one_hot(t, 3), weight = 1 + 4 * one_hot(t, 3))": "pos_weight",
}
# Settings of the data block.
DATA: dict[str, str] = {
    'source = csv("a.csv", x = "p0".."p3", t = "label")': "path file files filename url dataset data root folder loader reader "
    "train_data data_dir inputs features labels",
    "split = random(train = 0.8, val = 0.2)": "validation_split val_split test_split test_size train_size validation train val "
    "test valid ratio",
}
# What data blocks call their sources and splits.
SOURCES: dict[str, str] = {
    'csv("a.csv", x = "p0".."p3", t = "label")': "read_csv tsv excel pandas parquet json dataframe text",
    'npz("a.npz")': "numpy load hdf5 h5",
    'idx(("images.gz", "labels.gz"))': "mnist ubyte",
    "random(train = 0.8, val = 0.2)": "train_test_split shuffled holdout kfold random_split",
}
# Splits by the names that others give them.
SPLITS: dict[str, str] = {"val": "valid validation dev eval", "train": "training", "test": "testing"}
# Optimizers and schedules, by what comes nearest.
TRAINERS: dict[str, str] = {
    "sgd(rate = 0.1, momentum = 0.9)": "momentum nesterov nag GradientDescentOptimizer gradient_descent MomentumOptimizer",
    "adam(rate = 1e-3)": "nadam radam adadelta adamax AdamOptimizer lbfgs lion lamb adafactor",
    "exponential(1e-3, decay = 0.95, every = 100)": "exponential_decay ExponentialLR ExponentialDecay exp",
    "step(1e-3, every = 100)": "step_decay StepLR piecewise multistep MultiStepLR",
    "cosine(1e-3, steps = 1000)": "cosine_decay CosineAnnealingLR CosineDecay cosine_annealing one_cycle OneCycleLR",
    "polynomial(1e-3, steps = 1000)": "linear linear_decay poly PolynomialDecay LinearLR",
}
# What others write after the dot of a tensor or a layer.
METHODS: dict[str, str] = {
    "x.shape[0]": "size dim len",
    "x -> reshape([N, 2, 2])": "reshape",
    "x.shape[0] * x.shape[1]": "numel",
    "transpose(x)": "T mT",
    "where(x > 0, x, 0)": "at where",
    "x": "item numpy cpu cuda to data clone copy contiguous value",
    'l2("*.weight")': "weights kernel parameters",
    "gradient(mean(x^2), x)": "backward",
}
# Arguments by the name that they have here.
ARGUMENTS: dict[str, str] = {
    "units": "out_features output_dim output_size num_output num_outputs num_units n_units num_hidden out_dim neurons nodes",
    "bias": "use_bias with_bias bias_term",
    "init": "kernel_initializer weight_init weight_initializer initializer weight_filler kernel_init",
    "bias_init": "bias_initializer bias_filler",
    "axis": "dim dims axes reduction_indices",
    "keep": "keepdim keepdims keep_dims",
    "rate": "p prob probability drop_prob dropout_rate drop_rate lr learning_rate base_lr eta",
    "epsilon": "eps",
    "slope": "negative_slope alpha",
    "smoothing": "label_smoothing",
    "decay": "rho",
    "weight_decay": "wd l2",
    "low": "min min_value a_min lo",
    "high": "max max_value a_max hi",
    "std": "stddev sigma scale",
    "classes": "num_classes n_classes depth",
    "parts": "num_or_size_splits chunks sections num_splits",
    "shape": "size newshape target_shape",
    "indices": "index idx",
    "every": "step_size decay_steps period",
    "factor": "gamma",
    "weight": "sample_weight sample_weights weights",
    "value": "fill_value",
    "columns": "M",
    "steps": "T_max decay_steps max_steps total_steps",
    "end": "eta_min min_lr stop limit",
    "warmup": "warmup_steps num_warmup_steps",
    "delta": "min_delta",
    "score": "monitor metric",
    "threshold": "cutoff",
    "delimiter": "sep separator delim",
    "train": "train_size train_split",
    "val": "validation valid val_size val_split",
    "test": "test_size test_split",
    "initial": "initial_accumulator_value",
}
# Arguments that stand for another call: the word, then what to write -> the arguments that mean it.
CALLS: dict[str, dict[str, str]] = {
    "Dense": {
        "x -> Dense(3) -> relu": "activation act activation_fn nonlinearity",
        'loss = softmax_cross_entropy(y, t) + 1e-4 * l2("*.weight")': "kernel_regularizer weight_regularizer",
        "x -> Dense(3)": "in_features input_dim input_shape input_size num_input in_channels",
    },
    "BatchNorm": {"x -> BatchNorm": "num_features channels axis affine track_running_stats center scale"},
    "softmax_cross_entropy": {
        "softmax_cross_entropy(y, t, weight = gather([1, 5, 2], t))": "class_weight class_weights",
        "softmax_cross_entropy(y, t)": "from_logits sparse ignore_index",
    },
    "sigmoid_cross_entropy": {
        "sigmoid_cross_entropy(z, b)": "from_logits",
        "sigmoid_cross_entropy(z, b, weight = 1 + 4 * b)": "pos_weight class_weight class_weights",
    },
    "adam": {"adam(beta1 = 0.9, beta2 = 0.999)": "betas", "adam(rate = 1e-3)": "amsgrad"},
    "adamw": {"adamw(beta1 = 0.9, beta2 = 0.999)": "betas", "adamw(rate = 1e-3)": "amsgrad"},
}
NEEDLESS = by_word({"": "name inplace dtype device training trainable requires_grad out reduction size_average reduce"})
DTYPES: dict[str, str] = {
    "f16": "float16 half bfloat16 fp16", "f32": "float32 float single fp32 real number tensor Tensor FloatTensor",
    "f64": "float64 double fp64", "i8": "int8", "i16": "int16 short", "i32": "int32", "i64": "int64 int long integer LongTensor",
    "u8": "uint8 byte uint", "u16": "uint16", "u32": "uint32", "u64": "uint64", "bool": "boolean",
}  # fmt: skip
# Names before a dot that stand for a framework, and for nothing here.
FRAMEWORKS = by_word({
    "": "torch nn F tf tensorflow keras np numpy jnp jax lax layers losses math functional optim optimizers K flax linen optax "
    "haiku hk caffe mx mxnet sklearn scipy pd pandas self initializers activations init model"
})  # fmt: skip
