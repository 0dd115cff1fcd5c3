/* cartpole.c: CartPole-v1. Push a cart left or right so that the pole standing on it does not fall.
 *
 *   observation (4)  cart position (m), its velocity (m/s), pole angle (rad, 0 is upright), its velocity (rad/s)
 *   actions          0 push left, 1 push right, with 10 N for 0.02 s
 *   reward           1 for every step, the one that ends the episode included
 *   terminated       the cart is farther than 2.4 m from the middle, or the pole more than 12 degrees from upright
 *   truncated        after 500 steps
 *   begins           with all four uniform in [-0.05, 0.05)
 *   source           Barto, Sutton and Anderson 1983, "Neuronlike adaptive elements that can solve difficult learning
 *                    control problems", appendix; constants and explicit Euler steps as in Gymnasium's CartPole-v1.
 *                    As there, the state is f64 and the observation its f32; recorded trajectories of Gymnasium are
 *                    followed by the tests. */
#include <math.h>
#include "envs/env.h"

#define PI 3.14159265358979323846

static const double gravity = 9.8, masscart = 1.0, masspole = 0.1;
static const double length = 0.5;                       /* half the pole's */
static const double force_mag = 10.0, tau = 0.02;
static const double x_threshold = 2.4, theta_threshold = 12 * 2 * PI / 360;

typedef struct cartpole { double x, x_dot, theta, theta_dot; } cartpole;

static void observe(const cartpole *s, float *observation)
{
  observation[0] = (float)s->x;
  observation[1] = (float)s->x_dot;
  observation[2] = (float)s->theta;
  observation[3] = (float)s->theta_dot;
}

static void reset(void *state, yt_generator *random, float *observation)
{
  cartpole *s = state;
  double begin[4];
  yt__env_uniform(random, -0.05, 0.05, 4, begin);
  *s = (cartpole){ begin[0], begin[1], begin[2], begin[3] };
  observe(s, observation);
}

static int step(void *state, yt_generator *random, int64_t action, float *observation, float *reward)
{
  (void)random;
  cartpole *s = state;
  double total_mass = masspole + masscart, polemass_length = masspole * length;
  double force = action ? force_mag : -force_mag;
  double c = cos(s->theta), d = sin(s->theta);
  double temp = (force + polemass_length * (s->theta_dot * s->theta_dot) * d) / total_mass;
  double theta_acc = (gravity * d - c * temp) / (length * (4.0 / 3.0 - masspole * (c * c) / total_mass));
  double x_acc = temp - polemass_length * theta_acc * c / total_mass;

  s->x += tau * s->x_dot;
  s->x_dot += tau * x_acc;
  s->theta += tau * s->theta_dot;
  s->theta_dot += tau * theta_acc;
  observe(s, observation);
  *reward = 1;
  return s->x < -x_threshold || s->x > x_threshold || s->theta < -theta_threshold || s->theta > theta_threshold;
}

/* Twice the thresholds, so that the observation that ends an episode is within them (Gymnasium's bounds). */
static const float low[4] = { -4.8f, -INFINITY, -(float)(24 * 2 * PI / 360), -INFINITY };
static const float high[4] = { 4.8f, INFINITY, (float)(24 * 2 * PI / 360), INFINITY };

const env_class yt__cartpole = {
  .name = "CartPole-v1",
  .observation_size = 4,
  .num_actions = 2,
  .max_episode_steps = 500,
  .state_size = sizeof(cartpole),
  .observation_low = low,
  .observation_high = high,
  .reward_threshold = 475,
  .reset = reset,
  .step = step,
};
