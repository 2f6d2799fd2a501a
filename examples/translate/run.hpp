// Trains one network on a task with one method, and translates its test set.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "../options/checkpointing.hpp"
#include "../options/stalls.hpp"
#include "task.hpp"

namespace translate {

struct settings {
  std::string method = "t1t2t3";
  std::uint64_t seed = 1;
  int epochs = 10, microbatch_size = 8, microbatches = 8, workers = 1, replicas = 1;
  double rate = 1e-3, weight_decay = 1e-4, label_smoothing = 0.1, decay = 0.1353352832366127;
  long long warmup_updates = 1000;  ///< of the base rate
  double t1_epochs = 0;             ///< K; 0: all asynchronous updates
  int t3_epochs = 5;
  std::vector<int> beams{1};     ///< of the searches for translations; 1: greedy
  double alpha = 0.6;            ///< of their length normalisation
  double average_decay = 0.999;  ///< of the moving average of the weights, which is translated with too
  std::string save, load;        ///< weights written after training, read instead of training; empty: none

  options::checkpointing saves{};
  options::stalls stalls{};

  /// The file of the averaged weights beside `save`: "w.averaged.safetensors" for "w.safetensors".
  std::string save_averaged() const {
    std::filesystem::path p = save;
    return p.replace_extension(".averaged" + p.extension().string()).string();
  }
};

/// What one search made of the test set.
struct translation {
  int beam = 1;
  bool averaged = false;  ///< with the averaged weights
  double bleu = 0, precision[4] = {}, brevity = 1, seconds = 0;
  std::vector<std::string> lines;
};

struct outcome {
  std::vector<double> train_loss, validation_loss, validation_accuracy;
  std::string divergence;
  int interrupted = 0;           ///< the signal; nothing is translated then
  bool saved_elsewhere = false;  ///< weights, where their file could not be written
  double seconds = 0, max_tau = 0;
  double averaged_loss = 0;               ///< on validation, of the averaged weights
  std::vector<translation> translations;  ///< one a beam, in the order of the settings, then those with averaged weights
                                          ///< (unless weights were loaded); none where it diverged
};

struct network {
  char const* name;
  char const* what;
  int stages;
  long long parameters;
  outcome (*train)(settings const&, task const&, std::function<void(std::string const&)> const& say);
  std::string (*facts)(settings const&, long long minibatches_per_epoch);  ///< of the run that train() makes
};

network const& small();         ///< 2 + 2 layers, d 128, norms before
network const& small_post();    ///< the same with norms after
network const& small_untied();  ///< as small, with a matrix over tokens for each embedding and for the scores
network const& large();         ///< 3 + 3 layers, d 256, norms before

inline std::vector<std::string> const methods{"gpipe", "pipedream", "none", "t1", "t1t2", "t1t2t3"};

}  // namespace translate
