// foal's side of the comparison on GPT-2 124M: foal_side CHECKPOINT TOKENS HOW
//
// zoo::gpt from the weights of an llm.c checkpoint, AdamW at 1e-4, batches of 4 windows of 64 tokens, one after the other
// through the tokens, as train_gpt2.c takes them. HOW: "one", one worker; "two", two workers of one pipeline, a window a
// microbatch, by 1F1B; "replicas", two workers with half of the windows each. All compute the same sums. It trains when it
// is told to (support/turns.hpp).
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/replica/sharded.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/gpt.hpp>

#include <fstream>
#include <memory>

#include "../support/outcome.hpp"
#include "../support/turns.hpp"

namespace {

constexpr int batch = 4, length = 64, layers = 12, width = 768, vocabulary = 50257;

struct gpt2 : foal::zoo::gpt<foal::zoo::gpt_size{.layers = layers,
                                                 .width = width,
                                                 .heads = 12,
                                                 .vocabulary = vocabulary,
                                                 .longest = length,
                                                 .dropout_percent = 0,
                                                 .tanh_gelu = true}> {};

template <class T>
std::vector<T> read(std::string const& path, int header, int magic) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  foal::require(file.good(), "cannot read ", path, ", because it cannot be opened; give the path of a file of llm.c's form");
  auto const bytes = static_cast<std::size_t>(file.tellg());
  file.seekg(0);
  int first = 0;
  file.read(reinterpret_cast<char*>(&first), sizeof first);
  foal::require(first == magic && bytes > static_cast<std::size_t>(header), "cannot read ", path,
                ", because its first number is ", first, " where ", magic, " is expected; give a file of llm.c's form");
  std::vector<T> all((bytes - static_cast<std::size_t>(header)) / sizeof(T));
  file.seekg(header);
  file.read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size() * sizeof(T)));
  return all;
}

/// The parameters of llm.c's file, kind by kind, each of all layers behind one another; matrices [out, in].
struct checkpoint {
  static constexpr int padded = 50304, positions = 1024;
  std::vector<float> all;
  std::vector<std::size_t> begin{0};  ///< of each kind

  explicit checkpoint(std::string const& path) : all(read<float>(path, 1024, 20240326)) {
    std::size_t const c = width, l = layers;
    for (std::size_t const n : {padded * c, positions * c, l * c, l * c, l * 3 * c * c, l * 3 * c, l * c * c, l * c, l * c,
                                l * c, l * 4 * c * c, l * 4 * c, l * 4 * c * c, l * c, c, c})
      begin.push_back(begin.back() + n);
    foal::require(begin.back() == all.size(), "cannot read ", path, ", because it has ", all.size(), " weights where ",
                  begin.back(), " are expected; give GPT-2 124M in float32");
  }

  /// What foal has as `extents` of the given layer.
  std::vector<float> of(int kind, int layer, bool turned, int in, int out) const {
    std::size_t const size = static_cast<std::size_t>(in) * static_cast<std::size_t>(out);
    float const* const from = all.data() + begin[static_cast<std::size_t>(kind)] + static_cast<std::size_t>(layer) * size;
    std::vector<float> v(from, from + size);
    if (turned)
      for (std::size_t i = 0; i < size; ++i) {
        std::size_t const row = i / static_cast<std::size_t>(out), column = i % static_cast<std::size_t>(out);
        v[i] = from[column * static_cast<std::size_t>(in) + row];
      }
    return v;
  }
};

/// The weights of a trainer become the checkpoint's.
template <class Trainer>
void take(Trainer& t, checkpoint const& c) {
  // Kinds in the order of the layers of a block: norm, qkv, projection, norm, and the two of feed forward.
  constexpr int kinds[] = {2, 4, 6, 8, 10, 12};
  auto const& stages = t.tables().stages;
  int embeddings = 0, inner = 0;
  for (std::size_t s = 0; s < stages.size(); ++s)
    for (std::size_t p = 0; p < stages[s].parameters.size(); ++p) {
      auto const& row = stages[s].parameters[p];
      std::string const name = stages[s].layers[static_cast<std::size_t>(row.layer)].name;
      auto const* const e = row.what.extent.extent;
      std::vector<float> v;
      if (name == "embedding") {
        v = c.of(0, 0, false, vocabulary, width), ++embeddings;
      } else if (name == "learned_position") {
        v = c.of(1, 0, false, length, width);
      } else if (name == "logits") {
        continue;  // tied
      } else {
        bool const last = inner / 6 == layers;
        int const kind = (last ? 14 : kinds[inner % 6]) + row.index;
        bool const matrix = name == "linear" && row.index == 0;
        v = c.of(kind, last ? 0 : inner / 6, matrix, matrix ? e[0] : 1, matrix ? e[1] : e[0]);
        if (row.index == 1) ++inner;
      }
      t.set_weights(static_cast<int>(s), p, v);
    }
  foal::require(embeddings == 1 && inner == 6 * layers + 1, "cannot take the weights, because the net has ", inner,
                " layers with two parameters where ", 6 * layers + 1, " are expected; look for what changed in zoo::gpt");
}

/// Batches one after the other, and again from the first; microbatch m of `size` windows.
struct feed {
  std::vector<std::uint16_t> const& tokens;
  int size;

  std::size_t first(long long m) const {
    auto const batches = static_cast<long long>(tokens.size() - 1) / (batch * length);
    return static_cast<std::size_t>(m * size % (batches * batch)) * length;
  }
  foal::lengths_of_axes lengths(long long) const { return {{length}}; }
  void inputs(long long m, int, float* x) const { std::copy_n(tokens.data() + first(m), size * length, x); }
  void targets(long long m, std::int32_t* t) const { std::copy_n(tokens.data() + first(m) + 1, size * length, t); }
  double weight(long long) const { return batch * length; }
};

template <class Schedule, class... Policies>
int train(std::string const& weights, std::vector<std::uint16_t> const& tokens, int microbatch, int workers, int replicas) {
  using trainer = foal::trainer<gpt2, foal::loss::cross_entropy, Schedule, foal::optim::adamw, Policies...>;
  typename trainer::config values;
  values.microbatch_size = microbatch;
  values.microbatches = batch / microbatch;
  values.workers = workers;
  values.ranks = workers / replicas;
  values.replicas = replicas;
  values.optim.weight_decay = 0;
  values.lr.rate = 1e-4;
  values.evaluation = false;
  values.pin = workers > 1;
  trainer t(values);
  take(t, checkpoint(weights));
  feed const source{tokens, microbatch};
  std::puts(bench::machine().c_str());
  bench::take_turns_with_others([&](int minibatches) {
    foal::executor::run_request request;
    request.minibatches = minibatches;
    request.every_loss = true;
    auto const result = t.run(source, request);
    std::vector<double> sum(static_cast<std::size_t>(minibatches), 0);
    std::size_t const n = result.losses.size() / sum.size();
    for (std::size_t i = 0; i < result.losses.size(); ++i) sum[i / n] += result.losses[i].sum / (batch * length);
    return sum;
  });
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    foal::require(argc == 4, "cannot start with ", argc - 1,
                  " arguments; give a checkpoint, tokens, and one, two or replicas");
    auto const tokens = read<std::uint16_t>(argv[2], 1024, 20240520);
    std::string const how = argv[3];
    if (how == "one") return train<foal::schedule::sequential>(argv[1], tokens, batch, 1, 1);
    if (how == "two") return train<foal::schedule::one_f_one_b>(argv[1], tokens, 1, 2, 1);
    foal::require(how == "replicas", "cannot train as ", how,
                  ", because it is none of one, two and replicas; give one of them");
    return train<foal::schedule::one_f_one_b, foal::replica::sharded>(argv[1], tokens, batch / 2, 2, 2);
  });
}
