// A workload as files, for a side that is no C++: the network, its initial weights, the batches.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <foal/core/error.hpp>

#include "../versus_libtorch/sides.hpp"

namespace bench::versus {

class folder {
 public:
  explicit folder(std::string path) : path_(std::move(path)) { std::filesystem::create_directories(path_); }

  template <class T>
  void write(char const* name, std::vector<T> const& v) const {
    write(name, {reinterpret_cast<char const*>(v.data()), v.size() * sizeof(T)});
  }
  void write(char const* name, std::string_view bytes) const {
    std::ofstream file(path_ + "/" + name, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    foal::require(file.flush().good(), "cannot write ", path_, "/", name, "; look whether the disk is full");
  }

 private:
  std::string path_;
};

/// A line for each step: kind, layer, entry, kernel, stride, padding, extents of each parameter. Behind one another in
/// "weights": the parameters.
inline void write_steps(folder const& to, std::vector<step> const& steps) {
  std::string lines;
  std::vector<float> weights;
  for (step const& s : steps) {
    char const* const kind = s.what == step::kind::layer ? "layer" : s.what == step::kind::save ? "save" : "add";
    lines +=
        foal::sentence(kind, " ", s.name.empty() ? "-" : s.name, " ", s.entry, " ", s.kernel, " ", s.stride, " ", s.padding);
    for (std::size_t p = 0; p < s.parameters.size(); ++p) {
      for (std::size_t i = 0; i < s.extents[p].size(); ++i) lines += foal::sentence(i == 0 ? " " : "x", s.extents[p][i]);
      weights.insert(weights.end(), s.parameters[p].begin(), s.parameters[p].end());
    }
    lines += "\n";
  }
  to.write("steps", std::string_view(lines));
  to.write("weights", weights);
}

inline std::string numbers_of(workload const& w, network const& net) {
  return foal::sentence("minibatch ", w.minibatch, " microbatch ", w.microbatch, " rate ", w.rate, " momentum ", momentum,
                        " compared ", w.compared, " timed ", w.timed, " step_flops ", net.step_flops(w.minibatch),
                        " of_texts ", w.of_texts ? 1 : 0);
}

/// A network of layers.
inline void write(folder const& to, workload const& w, network const& net, batches const& data) {
  to.write("x", data.x);
  to.write("y", data.y);
  write_steps(to, net.steps);
  to.write("numbers", std::string_view(foal::sentence(numbers_of(w, net), " channels ", net.channels, " height ", net.height,
                                                      " width ", net.width)));
}

}  // namespace bench::versus
