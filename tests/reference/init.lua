-- PyTorch's results, recorded by tests/reference/record.py init: do not edit, record again.
-- python3-numpy 1:1.24.2-1+deb12u1, python3-torch 1.13.1+dfsg-4, reporting PyTorch 1.13.0a0, NumPy 1.24.2.
-- Dims, labels and indices count from 1. README.md explains the fields.
return {
  gains = {
    { nonlinearity = "linear", gain = 1 }, { nonlinearity = "conv1d", gain = 1 },
    { nonlinearity = "conv2d", gain = 1 }, { nonlinearity = "conv3d", gain = 1 },
    { nonlinearity = "sigmoid", gain = 1 }, { nonlinearity = "tanh", gain = 1.66666666666667 },
    { nonlinearity = "relu", gain = 1.4142135623731 }, { nonlinearity = "leaky_relu", gain = 1.41414285699784 },
    { nonlinearity = "selu", gain = 0.75 }, { nonlinearity = "leaky_relu", param = 0.2, gain = 1.38675049056307 },
    { nonlinearity = "leaky_relu", param = 1, gain = 1 },
    { nonlinearity = "leaky_relu", param = 2.23606797749979, gain = 0.577350269189626 },
  },
  draws = {
    {
      init = "xavier_uniform_", shape = { 8, 4 }, args = {}, fan_in = 4, fan_out = 8, distribution = "uniform",
      low = -0.707106781186547, high = 0.707106781186547,
    },
    {
      init = "xavier_uniform_", shape = { 8, 4 }, args = { gain = 1.66666666666667 }, fan_in = 4, fan_out = 8,
      distribution = "uniform", low = -1.17851130197758, high = 1.17851130197758,
    },
    {
      init = "xavier_normal_", shape = { 8, 4 }, args = {}, fan_in = 4, fan_out = 8, distribution = "normal",
      mean = 0, std = 0.408248290463863,
    },
    {
      init = "xavier_normal_", shape = { 8, 4 }, args = { gain = 1.66666666666667 }, fan_in = 4, fan_out = 8,
      distribution = "normal", mean = 0, std = 0.680413817439772,
    },
    {
      init = "kaiming_uniform_", shape = { 8, 4 }, args = {}, fan_in = 4, fan_out = 8, distribution = "uniform",
      low = -1.22474487139159, high = 1.22474487139159,
    },
    {
      init = "kaiming_uniform_", shape = { 8, 4 }, args = { mode = "fan_out" }, fan_in = 4, fan_out = 8,
      distribution = "uniform", low = -0.866025403784439, high = 0.866025403784439,
    },
    {
      init = "kaiming_uniform_", shape = { 8, 4 }, args = { nonlinearity = "relu" }, fan_in = 4, fan_out = 8,
      distribution = "uniform", low = -1.22474487139159, high = 1.22474487139159,
    },
    {
      init = "kaiming_uniform_", shape = { 8, 4 }, args = { nonlinearity = "tanh", mode = "fan_out" }, fan_in = 4,
      fan_out = 8, distribution = "uniform", low = -1.02062072615966, high = 1.02062072615966,
    },
    {
      init = "kaiming_uniform_", shape = { 8, 4 }, args = { a = 0.2, nonlinearity = "leaky_relu" }, fan_in = 4,
      fan_out = 8, distribution = "uniform", low = -1.20096115353815, high = 1.20096115353815,
    },
    {
      init = "kaiming_uniform_", shape = { 8, 4 }, args = { a = 2.23606797749979 }, fan_in = 4, fan_out = 8,
      distribution = "uniform", low = -0.5, high = 0.5,
    },
    {
      init = "kaiming_normal_", shape = { 8, 4 }, args = {}, fan_in = 4, fan_out = 8, distribution = "normal",
      mean = 0, std = 0.707106781186548,
    },
    {
      init = "kaiming_normal_", shape = { 8, 4 }, args = { mode = "fan_out" }, fan_in = 4, fan_out = 8,
      distribution = "normal", mean = 0, std = 0.5,
    },
    {
      init = "kaiming_normal_", shape = { 8, 4 }, args = { nonlinearity = "relu" }, fan_in = 4, fan_out = 8,
      distribution = "normal", mean = 0, std = 0.707106781186548,
    },
    {
      init = "kaiming_normal_", shape = { 8, 4 }, args = { nonlinearity = "tanh", mode = "fan_out" }, fan_in = 4,
      fan_out = 8, distribution = "normal", mean = 0, std = 0.58925565098879,
    },
    {
      init = "kaiming_normal_", shape = { 8, 4 }, args = { a = 0.2, nonlinearity = "leaky_relu" }, fan_in = 4,
      fan_out = 8, distribution = "normal", mean = 0, std = 0.693375245281536,
    },
    {
      init = "kaiming_normal_", shape = { 8, 4 }, args = { a = 2.23606797749979 }, fan_in = 4, fan_out = 8,
      distribution = "normal", mean = 0, std = 0.288675134594813,
    },
    {
      init = "xavier_uniform_", shape = { 256, 784 }, args = {}, fan_in = 784, fan_out = 256,
      distribution = "uniform", low = -0.075955452531275, high = 0.075955452531275,
    },
    {
      init = "xavier_uniform_", shape = { 256, 784 }, args = { gain = 1.66666666666667 }, fan_in = 784, fan_out = 256,
      distribution = "uniform", low = -0.126592420885458, high = 0.126592420885458,
    },
    {
      init = "xavier_normal_", shape = { 256, 784 }, args = {}, fan_in = 784, fan_out = 256, distribution = "normal",
      mean = 0, std = 0.0438529009653515,
    },
    {
      init = "xavier_normal_", shape = { 256, 784 }, args = { gain = 1.66666666666667 }, fan_in = 784, fan_out = 256,
      distribution = "normal", mean = 0, std = 0.0730881682755858,
    },
    {
      init = "kaiming_uniform_", shape = { 256, 784 }, args = {}, fan_in = 784, fan_out = 256,
      distribution = "uniform", low = -0.0874817765279707, high = 0.0874817765279707,
    },
    {
      init = "kaiming_uniform_", shape = { 256, 784 }, args = { mode = "fan_out" }, fan_in = 784, fan_out = 256,
      distribution = "uniform", low = -0.153093108923949, high = 0.153093108923949,
    },
    {
      init = "kaiming_uniform_", shape = { 256, 784 }, args = { nonlinearity = "relu" }, fan_in = 784, fan_out = 256,
      distribution = "uniform", low = -0.0874817765279707, high = 0.0874817765279707,
    },
    {
      init = "kaiming_uniform_", shape = { 256, 784 }, args = { nonlinearity = "tanh", mode = "fan_out" },
      fan_in = 784, fan_out = 256, distribution = "uniform", low = -0.180421959121758, high = 0.180421959121758,
    },
    {
      init = "kaiming_uniform_", shape = { 256, 784 }, args = { a = 0.2, nonlinearity = "leaky_relu" }, fan_in = 784,
      fan_out = 256, distribution = "uniform", low = -0.0857829395384395, high = 0.0857829395384395,
    },
    {
      init = "kaiming_uniform_", shape = { 256, 784 }, args = { a = 2.23606797749979 }, fan_in = 784, fan_out = 256,
      distribution = "uniform", low = -0.0357142857142857, high = 0.0357142857142857,
    },
    {
      init = "kaiming_normal_", shape = { 256, 784 }, args = {}, fan_in = 784, fan_out = 256, distribution = "normal",
      mean = 0, std = 0.0505076272276105,
    },
    {
      init = "kaiming_normal_", shape = { 256, 784 }, args = { mode = "fan_out" }, fan_in = 784, fan_out = 256,
      distribution = "normal", mean = 0, std = 0.0883883476483184,
    },
    {
      init = "kaiming_normal_", shape = { 256, 784 }, args = { nonlinearity = "relu" }, fan_in = 784, fan_out = 256,
      distribution = "normal", mean = 0, std = 0.0505076272276105,
    },
    {
      init = "kaiming_normal_", shape = { 256, 784 }, args = { nonlinearity = "tanh", mode = "fan_out" },
      fan_in = 784, fan_out = 256, distribution = "normal", mean = 0, std = 0.104166666666667,
    },
    {
      init = "kaiming_normal_", shape = { 256, 784 }, args = { a = 0.2, nonlinearity = "leaky_relu" }, fan_in = 784,
      fan_out = 256, distribution = "normal", mean = 0, std = 0.0495268032343955,
    },
    {
      init = "kaiming_normal_", shape = { 256, 784 }, args = { a = 2.23606797749979 }, fan_in = 784, fan_out = 256,
      distribution = "normal", mean = 0, std = 0.0206196524710581,
    },
    {
      init = "xavier_uniform_", shape = { 16, 3, 5, 5 }, args = {}, fan_in = 75, fan_out = 400,
      distribution = "uniform", low = -0.112390297389803, high = 0.112390297389803,
    },
    {
      init = "xavier_uniform_", shape = { 16, 3, 5, 5 }, args = { gain = 1.66666666666667 }, fan_in = 75,
      fan_out = 400, distribution = "uniform", low = -0.187317162316339, high = 0.187317162316339,
    },
    {
      init = "xavier_normal_", shape = { 16, 3, 5, 5 }, args = {}, fan_in = 75, fan_out = 400,
      distribution = "normal", mean = 0, std = 0.064888568452305,
    },
    {
      init = "xavier_normal_", shape = { 16, 3, 5, 5 }, args = { gain = 1.66666666666667 }, fan_in = 75,
      fan_out = 400, distribution = "normal", mean = 0, std = 0.108147614087175,
    },
    {
      init = "kaiming_uniform_", shape = { 16, 3, 5, 5 }, args = {}, fan_in = 75, fan_out = 400,
      distribution = "uniform", low = -0.282842712474619, high = 0.282842712474619,
    },
    {
      init = "kaiming_uniform_", shape = { 16, 3, 5, 5 }, args = { mode = "fan_out" }, fan_in = 75, fan_out = 400,
      distribution = "uniform", low = -0.122474487139159, high = 0.122474487139159,
    },
    {
      init = "kaiming_uniform_", shape = { 16, 3, 5, 5 }, args = { nonlinearity = "relu" }, fan_in = 75,
      fan_out = 400, distribution = "uniform", low = -0.282842712474619, high = 0.282842712474619,
    },
    {
      init = "kaiming_uniform_", shape = { 16, 3, 5, 5 }, args = { nonlinearity = "tanh", mode = "fan_out" },
      fan_in = 75, fan_out = 400, distribution = "uniform", low = -0.144337567297406, high = 0.144337567297406,
    },
    {
      init = "kaiming_uniform_", shape = { 16, 3, 5, 5 }, args = { a = 0.2, nonlinearity = "leaky_relu" },
      fan_in = 75, fan_out = 400, distribution = "uniform", low = -0.277350098112615, high = 0.277350098112615,
    },
    {
      init = "kaiming_uniform_", shape = { 16, 3, 5, 5 }, args = { a = 2.23606797749979 }, fan_in = 75, fan_out = 400,
      distribution = "uniform", low = -0.115470053837925, high = 0.115470053837925,
    },
    {
      init = "kaiming_normal_", shape = { 16, 3, 5, 5 }, args = {}, fan_in = 75, fan_out = 400,
      distribution = "normal", mean = 0, std = 0.163299316185545,
    },
    {
      init = "kaiming_normal_", shape = { 16, 3, 5, 5 }, args = { mode = "fan_out" }, fan_in = 75, fan_out = 400,
      distribution = "normal", mean = 0, std = 0.0707106781186548,
    },
    {
      init = "kaiming_normal_", shape = { 16, 3, 5, 5 }, args = { nonlinearity = "relu" }, fan_in = 75, fan_out = 400,
      distribution = "normal", mean = 0, std = 0.163299316185545,
    },
    {
      init = "kaiming_normal_", shape = { 16, 3, 5, 5 }, args = { nonlinearity = "tanh", mode = "fan_out" },
      fan_in = 75, fan_out = 400, distribution = "normal", mean = 0, std = 0.0833333333333333,
    },
    {
      init = "kaiming_normal_", shape = { 16, 3, 5, 5 }, args = { a = 0.2, nonlinearity = "leaky_relu" }, fan_in = 75,
      fan_out = 400, distribution = "normal", mean = 0, std = 0.160128153805087,
    },
    {
      init = "kaiming_normal_", shape = { 16, 3, 5, 5 }, args = { a = 2.23606797749979 }, fan_in = 75, fan_out = 400,
      distribution = "normal", mean = 0, std = 0.0666666666666667,
    },
  },
  linear_defaults = {
    { in_features = 4, out_features = 8, weight = { -0.5, 0.5 }, bias = { -0.5, 0.5 } },
    {
      in_features = 784, out_features = 256, weight = { -0.0357142857142857, 0.0357142857142857 },
      bias = { -0.0357142857142857, 0.0357142857142857 },
    },
    { in_features = 1, out_features = 1, weight = { -1, 1 }, bias = { -1, 1 } },
  },
}
