// The weights of a trainer whose stages several processes host, in one file: each writes its share beside it, and process 0
// makes one of them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <foal/checkpoint/directory.hpp>
#include <foal/checkpoint/safetensors.hpp>
#include <foal/core/file.hpp>
#include <foal/data/file.hpp>
#include <foal/plan/elsewhere.hpp>
#include <foal/transport/contract.hpp>

namespace foal::checkpoint {

namespace detail {

/// The tensors of a file, each with its bytes while the next one is not asked for. What is asked for in the order of the
/// file is read once.
class tensors_in_order {
 public:
  /// Throws foal::error where it is no safetensors file.
  explicit tensors_in_order(std::string path) : path_(std::move(path)) {
    safetensors_reader const from(path_);
    about_ = from.about();
    tensors_ = from.tensors();
    header_ = from.mark().bytes - from.bytes();
    for (std::size_t i = 0; i < tensors_.size(); ++i) numbers_.emplace(tensors_[i].name, i);
  }

  metadata const& about() const { return about_; }
  /// Null: it has none of that name.
  stored_tensor const* find(std::string const& name) const {
    auto const at = numbers_.find(name);
    return at == numbers_.end() ? nullptr : &tensors_[at->second];
  }
  /// Throws foal::error where they are damaged. Needs that find() knows the name.
  std::uint8_t const* bytes_of(std::string const& name) {
    std::size_t const wanted = numbers_.at(name);
    if (!from_ || wanted + 1 < next_) open();
    for (; next_ <= wanted; ++next_) read(tensors_[next_]);
    return bytes_.data();
  }

 private:
  void open() {
    from_.emplace(path_);
    next_ = 0;
    bytes_.resize(header_);
    read_bytes();
  }
  void read(stored_tensor const& t) {
    bytes_.resize(t.end - t.begin);
    read_bytes();
    std::string const found = digest_of_array(bytes_.data(), bytes_.size());
    require(t.digest.empty() || found == t.digest, "cannot read ", path_, ", because the digest of its tensor '", t.name,
            "' is ", found, " where ", t.digest, " is expected: the file is damaged; write it again");
  }
  void read_bytes() {
    std::size_t const got = from_->read(bytes_.data(), bytes_.size());
    require(got == bytes_.size(), "cannot read ", path_, ", because it gives ", got, " bytes where ", bytes_.size(),
            " are expected; the file changed while it was read, let nobody else write there");
  }

  std::string path_;
  metadata about_;
  std::vector<stored_tensor> tensors_;
  std::map<std::string, std::size_t> numbers_;
  std::size_t header_ = 0, next_ = 0;
  std::optional<data::file> from_;
  std::vector<std::uint8_t> bytes_;
};

/// Another process has written it, with these metadata; a file system of several machines may show that late.
inline tensors_in_order share_when_there(std::string const& path, metadata const& about) {
  constexpr std::chrono::seconds patience{10};
  constexpr std::chrono::milliseconds nap{5};
  auto const is_said = [&](tensors_in_order const& share) {
    return std::all_of(about.begin(), about.end(), [&](auto const& entry) {
      auto const at = share.about().find(entry.first);
      return at != share.about().end() && at->second == entry.second;
    });
  };
  for (auto waited = std::chrono::steady_clock::duration::zero();; waited += nap) {
    if (what_is(path) == under_name::file)
      if (tensors_in_order share(path); is_said(share)) return share;
    require(waited < patience, "cannot take in ", path, ", because its process has written no share of these weights there",
            "; name a directory that all processes share");
    std::this_thread::sleep_for(nap);
  }
}

}  // namespace detail

/// Where a process's share of a file lies until process 0 has taken it in: "best.safetensors.process-2".
inline std::string share_file(std::string const& path, int process) { return path + ".process-" + std::to_string(process); }

namespace detail {

/// Removes the shares of all processes, however it ends.
struct shares_go {
  std::string const& path;
  int processes;
  ~shares_go() {
    for (int p = 1; p < processes; ++p) static_cast<void>(::unlink(share_file(path, p).c_str()));
  }
};

}  // namespace detail

/// Weights and statistics, as write_safetensors() writes those of one process, to the byte. Each process calls it, with the
/// same metadata, which tell this file from those before it under its name; process 0 when all others have come back. Where
/// the stages are that it has, the trainer's engine says. The directory is one that all processes share. Throws foal::error
/// where a file cannot be written, or a share does not come. Memory: the process's own share, and the largest tensor.
template <class Trainer>
void write_shared_safetensors(std::string const& path, Trainer const& t, metadata about, transport::process_place here) {
  auto const process_of = [&](int stage) {
    int const worker = t.engine().stages()[static_cast<std::size_t>(stage)].worker;
    return worker >= 0 ? here.number : executor::elsewhere(worker);
  };
  auto const weights = [&](int stage, std::size_t which) { return t.weights(stage, which); };
  safetensors_content own =
      detail::content_of(t, about, weights, [&](int stage) { return process_of(stage) == here.number; });
  if (here.number != 0) {
    if (!own.tensors.empty()) write_safetensors_file(share_file(path, here.number), std::move(own));
    return;
  }
  detail::shares_go const behind{path, here.count};
  std::map<int, detail::tensors_in_order> shares;
  std::map<std::string, int> processes;
  std::map<std::string, std::uint8_t const*> places;  // of its own
  for (stored_tensor const& s : own.tensors) places[s.name] = own.buffer.data() + s.begin;
  std::vector<stored_tensor> all;
  std::uint64_t bytes = 0;
  using scalar = typename Trainer::scalar_type;
  detail::each_array(
      t, [&](std::string const& name, array_layout const& layout, int stage, std::size_t, bool, std::size_t size) {
        int const process = processes[name] = process_of(stage);
        std::uint64_t const begin = std::exchange(bytes, bytes + size * sizeof(scalar));
        all.push_back({name, dtype_of(element_of<scalar>()), layout.shape, begin, bytes});
        if (process == 0) return;
        std::string const file = share_file(path, process);
        if (!shares.contains(process)) shares.emplace(process, detail::share_when_there(file, own.about));
        stored_tensor const* const from = shares.at(process).find(name);
        require(from != nullptr && from->dtype == all.back().dtype && from->shape == layout.shape, "cannot write ", path,
                ", because ", file, " has no ", name, " of type ", all.back().dtype, " and shape ", text(layout.shape),
                "; start the same program in all processes");
      });
  write_safetensors_file(path, own.about, std::move(all), bytes, [&](stored_tensor const& s) {
    int const process = processes.at(s.name);
    return process == 0 ? places.at(s.name) : shares.at(process).bytes_of(s.name);
  });
}

}  // namespace foal::checkpoint
