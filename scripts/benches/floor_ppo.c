/* floor_ppo.c: PPO on CartPole-v1 with CleanRL's settings, fused by hand for one thread.
 *   settings  CleanRL's ppo.py (Huang et al. 2022): 8 environments x 128 steps, 4 epochs x 4 minibatches, two 4-64-64
 *             tanh networks, Adam, clipped losses, advantages normalised by minibatch, gradients clipped to 0.5
 *   source    Schulman et al. 2017, arXiv:1707.06347; CartPole: Barto, Sutton & Anderson 1983, as in Gymnasium
 * Every matrix is (rows, columns) with its columns padded to 16, and every number of rows a multiple of 4: no product
 * has a ragged edge. */
#include "floor.h"

enum { ENVS = 8, STEPS = 128, BATCH = ENVS * STEPS, MINIBATCH = BATCH / 4, EPOCHS = 4, RECENT = 128 };
enum { IN = 4, HIDDEN = 64, OUT = 16 };         /* OUT: 2 logits or 1 value, and padding that stays 0 */

/* ---- random numbers: xorshift, Marsaglia 2003 ---- */
static uint64_t state;
static uint32_t bits(void)
{
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 32);
}
static float uniform(void) { return (float)(bits() >> 8) * 0x1p-24f; }

/* ---- products: c = act(a b + bias), element (i, k) of a at a[i * ars + k * acs] ---- */
INLINE void tile(const int rows, const int vecs, long depth, const float *a, long ars, long acs, const float *b,
                 long n, const float *bias, float *c, const int act)
{
  vec sum[8][2];
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < vecs; j++) sum[i][j] = bias ? v_load(bias + j * LANES) : v_set(0);
  for (long k = 0; k < depth; k++) {
    vec row[2];
    for (int j = 0; j < vecs; j++) row[j] = v_load(b + k * n + j * LANES);
    for (int i = 0; i < rows; i++) {
      const vec x = v_set(a[i * ars + k * acs]);
      for (int j = 0; j < vecs; j++) sum[i][j] = v_fma(x, row[j], sum[i][j]);
    }
  }
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < vecs; j++) v_store(c + i * n + j * LANES, act ? v_tanh(sum[i][j]) : sum[i][j]);
}
INLINE void columns(const int vecs, long m, long n, long depth, const float *a, long ars, long acs, const float *b,
                    const float *bias, float *c, const int act)
{
  enum { TALL = LANES == 16 ? 8 : 4 };          /* twice as many sums as the multipliers need, in registers */
  for (long j = 0; j < n; j += vecs * LANES) {
    const float *bj = bias ? bias + j : NULL;
    long i = 0;
    for (; i + TALL <= m; i += TALL)
      tile(TALL, vecs, depth, a + i * ars, ars, acs, b + j, n, bj, c + i * n + j, act);
    for (; i < m; i += 4) tile(4, vecs, depth, a + i * ars, ars, acs, b + j, n, bj, c + i * n + j, act);
  }
}
static void product(long m, long n, long depth, const float *a, long ars, long acs, const float *b, const float *bias,
                    float *c)
{
  if (n % (2 * LANES)) columns(1, m, n, depth, a, ars, acs, b, bias, c, 0);
  else columns(2, m, n, depth, a, ars, acs, b, bias, c, 0);
}
static void tanh_product(long m, long n, long depth, const float *a, const float *b, const float *bias, float *c)
{
  columns(2, m, n, depth, a, depth, 1, b, bias, c, 1);
}

/* ---- a network, all its weights in one piece ---- */
typedef struct {
  float w1[IN * HIDDEN], b1[HIDDEN], w2[HIDDEN * HIDDEN], b2[HIDDEN], w3[HIDDEN * OUT], b3[OUT];
} weights;
enum { WEIGHTS = sizeof(weights) / sizeof(float) };
typedef struct {
  weights p, g, m, v;
  const float *x;
  float h1[MINIBATCH * HIDDEN], h2[MINIBATCH * HIDDEN], y[MINIBATCH * OUT];
  float dh1[MINIBATCH * HIDDEN], dh2[MINIBATCH * HIDDEN], dy[MINIBATCH * OUT];
  float w2t[HIDDEN * HIDDEN], w3t[OUT * HIDDEN];
} network;

static void start(network *n, int outputs, float gain)
{
  memset(n, 0, sizeof *n);
  for (int i = 0; i < IN * HIDDEN; i++) n->p.w1[i] = (2 * uniform() - 1) * 1.2f;
  for (int i = 0; i < HIDDEN * HIDDEN; i++) n->p.w2[i] = (2 * uniform() - 1) * 0.3f;
  for (int i = 0; i < HIDDEN; i++)
    for (int j = 0; j < outputs; j++) n->p.w3[i * OUT + j] = (2 * uniform() - 1) * gain;
}
static const float *forward(network *n, const float *x, long m)
{
  n->x = x;
  tanh_product(m, HIDDEN, IN, x, n->p.w1, n->p.b1, n->h1);
  tanh_product(m, HIDDEN, HIDDEN, n->h1, n->p.w2, n->p.b2, n->h2);
  product(m, OUT, HIDDEN, n->h2, HIDDEN, 1, n->p.w3, n->p.b3, n->y);
  return n->y;
}

static void layer_gradient(long in, long out, const float *x, const float *dy, float *dw, float *db)
{
  product(in, out, MINIBATCH, x, 1, in, dy, NULL, dw);
  for (long j = 0; j < out; j += LANES) {
    vec sum = v_set(0);
    for (long i = 0; i < MINIBATCH; i++) sum += v_load(dy + i * out + j);
    v_store(db + j, sum);
  }
}
static void through_tanh(const float *h, float *dh)
{
  for (long i = 0; i < MINIBATCH * HIDDEN; i += LANES) {
    const vec y = v_load(h + i);
    v_store(dh + i, v_load(dh + i) * (v_set(1) - y * y));
  }
}
static void transpose(long rows, long cols, const float *a, float *t)
{
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < cols; j++) t[j * rows + i] = a[i * cols + j];
}
/* n->dy (MINIBATCH, OUT), whose first `outputs` columns are set -> n->g */
static void backward(network *n, int outputs)
{
  transpose(HIDDEN, OUT, n->p.w3, n->w3t);
  transpose(HIDDEN, HIDDEN, n->p.w2, n->w2t);
  layer_gradient(HIDDEN, OUT, n->h2, n->dy, n->g.w3, n->g.b3);
  product(MINIBATCH, HIDDEN, outputs, n->dy, OUT, 1, n->w3t, NULL, n->dh2);
  through_tanh(n->h2, n->dh2);
  layer_gradient(HIDDEN, HIDDEN, n->h1, n->dh2, n->g.w2, n->g.b2);
  product(MINIBATCH, HIDDEN, HIDDEN, n->dh2, HIDDEN, 1, n->w2t, NULL, n->dh1);
  through_tanh(n->h1, n->dh1);
  layer_gradient(IN, HIDDEN, n->x, n->dh1, n->g.w1, n->g.b1);
}
static float squared_norm(const network *n)
{
  const float *g = n->g.w1;
  vec sum = v_set(0);
  for (int i = 0; i < WEIGHTS; i += LANES) sum = v_fma(v_load(g + i), v_load(g + i), sum);
  return v_sum(sum);
}
/* Kingma & Ba 2015, arXiv:1412.6980; t counts steps from 1, the gradient is multiplied by shrink first */
static void adam(network *n, long t, float lr, float shrink)
{
  float *p = n->p.w1, *g = n->g.w1, *m = n->m.w1, *v = n->v.w1;
  const vec step = v_set(lr / (1 - powf(0.9f, (float)t))), scale = v_set(1 / sqrtf(1 - powf(0.999f, (float)t)));
  for (int i = 0; i < WEIGHTS; i += LANES) {
    const vec d = v_load(g + i) * v_set(shrink);
    const vec mean = v_fma(v_set(0.9f), v_load(m + i), v_set(0.1f) * d);
    const vec square = v_fma(v_set(0.999f), v_load(v + i), v_set(0.001f) * d * d);
    v_store(m + i, mean);
    v_store(v + i, square);
    v_store(p + i, v_load(p + i) - step * mean / v_fma(V(sqrt)(square), scale, v_set(1e-5f)));
  }
}

/* ---- CartPole-v1 ---- */
typedef struct { float s[IN]; int steps; } cartpole;      /* x, x', angle, angle' */

static void reset(cartpole *e)
{
  for (int i = 0; i < IN; i++) e->s[i] = uniform() * 0.1f - 0.05f;
  e->steps = 0;
}
static int step(cartpole *e, int right)                   /* returns 1 at the end of an episode */
{
  float *s = e->s;
  const float c = cosf(s[2]), sine = sinf(s[2]);
  const float push = ((right ? 10.0f : -10.0f) + 0.05f * s[3] * s[3] * sine) / 1.1f;
  const float spin = (9.8f * sine - c * push) / (0.5f * (4.0f / 3 - 0.1f * c * c / 1.1f));
  const float pull = push - 0.05f * spin * c / 1.1f;
  s[0] += 0.02f * s[1], s[1] += 0.02f * pull, s[2] += 0.02f * s[3], s[3] += 0.02f * spin;
  return ++e->steps >= 500 || fabsf(s[0]) > 2.4f || fabsf(s[2]) > 0.2094395f;
}

/* ---- PPO ---- */
static struct {
  network actor, critic;
  cartpole env[ENVS];
  float observation[(BATCH + ENVS) * IN], logprob[BATCH], value[BATCH + ENVS], advantage[BATCH], returns[BATCH];
  float done[BATCH + ENVS];                     /* 1: an episode ended just before this step */
  int action[BATCH], order[BATCH];
  float x[MINIBATCH * IN];
  double recent[RECENT];                           /* lengths of the last episodes */
  long episodes, updates;
} ppo;

static void log_probabilities(const float *logits, float lp[2])
{
  const float d = logits[0] - logits[1], z = fmaxf(d, 0) + logf(1 + expf(-fabsf(d)));
  lp[0] = d - z, lp[1] = -z;
}

static void collect(void)
{
  for (int t = 0; t <= STEPS; t++) {
    float *x = ppo.observation + t * ENVS * IN, *done = ppo.done + t * ENVS;
    for (int i = 0; i < ENVS; i++) memcpy(x + i * IN, ppo.env[i].s, sizeof ppo.env[i].s);
    const float *value = forward(&ppo.critic, x, ENVS);
    for (int i = 0; i < ENVS; i++) ppo.value[t * ENVS + i] = value[i * OUT];
    if (t == STEPS) return;
    const float *logits = forward(&ppo.actor, x, ENVS);
    for (int i = 0; i < ENVS; i++) {
      const int k = t * ENVS + i;
      float lp[2];
      log_probabilities(logits + i * OUT, lp);
      ppo.action[k] = uniform() >= expf(lp[0]);
      ppo.logprob[k] = lp[ppo.action[k]];
      done[ENVS + i] = (float)step(&ppo.env[i], ppo.action[k]);
      if (done[ENVS + i] == 0) continue;
      ppo.recent[ppo.episodes++ % RECENT] = ppo.env[i].steps;
      reset(&ppo.env[i]);
    }
  }
}
/* Schulman et al. 2016, arXiv:1506.02438, eq. 16; every reward is 1 */
static void estimate_advantages(void)
{
  for (int k = BATCH - 1; k >= 0; k--) {
    const float alive = 1 - ppo.done[k + ENVS], later = k + ENVS < BATCH ? ppo.advantage[k + ENVS] : 0;
    const float delta = 1 + 0.99f * ppo.value[k + ENVS] * alive - ppo.value[k];
    ppo.advantage[k] = delta + 0.99f * 0.95f * alive * later;
    ppo.returns[k] = ppo.advantage[k] + ppo.value[k];
  }
}

/* gradients of the losses for sample i of the minibatch, number k of the batch, into the networks' dy */
static void loss_gradient(int i, int k, float advantage)
{
  float *dl = ppo.actor.dy + i * OUT, lp[2];
  log_probabilities(ppo.actor.y + i * OUT, lp);
  const float p[2] = { expf(lp[0]), expf(lp[1]) }, entropy = -(p[0] * lp[0] + p[1] * lp[1]);
  const int a = ppo.action[k];
  const float ratio = expf(lp[a] - ppo.logprob[k]), clipped = fminf(fmaxf(ratio, 0.8f), 1.2f);
  const float d = ratio * advantage <= clipped * advantage ? -advantage * ratio : 0;
  for (int j = 0; j < 2; j++) dl[j] = (d * ((float)(j == a) - p[j]) + 0.01f * p[j] * (lp[j] + entropy)) / MINIBATCH;

  const float value = ppo.critic.y[i * OUT], target = ppo.returns[k], moved = value - ppo.value[k];
  const float held = ppo.value[k] + fminf(fmaxf(moved, -0.2f), 0.2f);
  const float e = value - target, held_e = held - target;
  ppo.critic.dy[i * OUT] = 0.5f * (e * e >= held_e * held_e ? e : fabsf(moved) < 0.2f ? held_e : 0) / MINIBATCH;
}

static void minibatch(const int *order, float lr)
{
  double mean = 0, square = 0;
  for (int i = 0; i < MINIBATCH; i++) {
    memcpy(ppo.x + i * IN, ppo.observation + order[i] * IN, IN * sizeof(float));
    mean += ppo.advantage[order[i]] / MINIBATCH;
  }
  for (int i = 0; i < MINIBATCH; i++) square += pow(ppo.advantage[order[i]] - mean, 2);
  const float deviation = (float)sqrt(square / (MINIBATCH - 1)) + 1e-8f;
  forward(&ppo.actor, ppo.x, MINIBATCH);
  forward(&ppo.critic, ppo.x, MINIBATCH);
  for (int i = 0; i < MINIBATCH; i++)
    loss_gradient(i, order[i], (ppo.advantage[order[i]] - (float)mean) / deviation);
  backward(&ppo.actor, 2);
  backward(&ppo.critic, 1);
  const float norm = sqrtf(squared_norm(&ppo.actor) + squared_norm(&ppo.critic));
  const float shrink = fminf(0.5f / (norm + 1e-6f), 1);
  ppo.updates++;
  adam(&ppo.actor, ppo.updates, lr, shrink);
  adam(&ppo.critic, ppo.updates, lr, shrink);
}

/* Trains for `steps` environment steps.   returns the mean return of the last RECENT episodes */
double floor_ppo(long steps, uint64_t seed)
{
  const long iterations = steps / BATCH;
  memset(&ppo, 0, sizeof ppo);
  state = seed * 0x9E3779B97F4A7C15u + 1;
  start(&ppo.actor, 2, 0.01f);
  start(&ppo.critic, 1, 0.2f);
  for (int i = 0; i < ENVS; i++) reset(&ppo.env[i]);
  for (int i = 0; i < BATCH; i++) ppo.order[i] = i;
  for (long iteration = 0; iteration < iterations; iteration++) {
    const float lr = 2.5e-4f * (1 - (float)iteration / (float)iterations);
    memcpy(ppo.done, ppo.done + BATCH, ENVS * sizeof(float));
    collect();
    estimate_advantages();
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
      for (int i = BATCH - 1; i > 0; i--) {     /* Fisher & Yates */
        const int j = (int)(bits() % (uint32_t)(i + 1)), k = ppo.order[i];
        ppo.order[i] = ppo.order[j], ppo.order[j] = k;
      }
      for (int i = 0; i < BATCH; i += MINIBATCH) minibatch(ppo.order + i, lr);
    }
  }
  const long n = ppo.episodes < RECENT ? ppo.episodes : RECENT;
  double sum = 0;
  for (long i = 0; i < n; i++) sum += ppo.recent[i];
  return n ? sum / (double)n : 0;
}
