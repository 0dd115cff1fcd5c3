-- One of the threads that train while the game does: learns from a seed, sends its digest and, not copied, its weights.
local seed = ...
local learner = require "learn"(seed)
local loss
for _ = 1, learner.steps do loss = learner.step() end
love.thread.getChannel("done"):push {
  loss = loss, digest = learner.digest(), weights = learner.model[3].weight:export(),
}
