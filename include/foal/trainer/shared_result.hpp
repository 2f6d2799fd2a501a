// The results of a run that several processes have parts of, whole in all of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/trainer/run_request.hpp>

namespace foal::executor {

namespace detail {

/// Lists of plain structs in one text, for processes of one build: read() takes them out in the order of write().
class packed_lists {
 public:
  packed_lists() = default;
  explicit packed_lists(std::string text) : text_(std::move(text)) {}

  template <class T>
  void write(std::vector<T> const& list) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_same_v<T, bool>);
    std::size_t const n = list.size();
    text_.append(reinterpret_cast<char const*>(&n), sizeof n);
    text_.append(reinterpret_cast<char const*>(list.data()), n * sizeof(T));
  }
  template <class T>
  std::vector<T> read() {
    std::size_t n = 0;
    take(&n, sizeof n);
    std::vector<T> list(n);
    take(list.data(), n * sizeof(T));
    return list;
  }
  std::string const& text() const { return text_; }

 private:
  void take(void* to, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, text_.data() + at_, bytes);
    at_ += bytes;
  }
  std::string text_;
  std::size_t at_ = 0;
};

/// From the first stretch that was not complete in all of them. all: by replica, at least one.
inline void add_replicas(run_result& to, std::vector<replica_losses> const& all) {
  to.microbatches = 0;
  to.sums.clear();
  long long had = std::numeric_limits<long long>::max();
  for (replica_losses const& r : all) had = std::min(had, r.had);
  for (replica_losses const& r : all) {
    to.microbatches += r.microbatches;
    for (auto i = static_cast<std::size_t>(std::max(0LL, had - r.first)); i < r.sums.size(); ++i) {
      auto const at = static_cast<std::size_t>(static_cast<long long>(i) + r.first - had);
      bool const begins = at >= to.sums.size();
      if (begins) to.sums.resize(at + 1);
      if (begins && &r == &all.front())
        to.sums[at] = r.sums[i];
      else
        add_to(to.sums[at], r.sums[i]);
    }
  }
}

}  // namespace detail

/// Gives to all what each has: losses are where the last stage of a replica is, diagnostics where their stage is; the
/// seconds are the first process's. All processes call it, after the same run. Losses of replicas are added in their order,
/// as one process adds them. exchange: gives the texts of all, by process.
template <class Exchange>
void share(run_result& mine, Exchange const& exchange) {
  detail::packed_lists here;
  here.write(std::vector{mine.seconds});
  here.write(mine.diagnostics);
  here.write(mine.losses);
  here.write(std::vector{static_cast<long long>(mine.of_replicas.size())});
  for (replica_losses const& r : mine.of_replicas) {
    here.write(std::vector<long long>{r.replica, r.microbatches, r.first, r.had});
    here.write(r.sums);
  }
  mine.diagnostics.clear();
  mine.losses.clear();
  std::vector<replica_losses> all;
  bool first = true;
  for (std::string& text : exchange(here.text())) {
    detail::packed_lists of(std::move(text));
    double const seconds = of.read<double>().at(0);
    if (std::exchange(first, false)) mine.seconds = seconds;
    auto const diagnostics = of.read<table::diagnostic>();
    mine.diagnostics.insert(mine.diagnostics.end(), diagnostics.begin(), diagnostics.end());
    auto const losses = of.read<loss::loss_result>();
    long long const replicas = of.read<long long>().at(0);
    if (replicas > 0 && mine.losses.size() < losses.size()) mine.losses.resize(losses.size());
    for (std::size_t i = 0; i < losses.size() && replicas > 0; ++i)
      add_to(mine.losses[i], losses[i]);  // 0 where it has none
    for (long long r = 0; r < replicas; ++r) {
      auto const numbers = of.read<long long>();
      all.push_back(
          {static_cast<int>(numbers.at(0)), numbers.at(1), numbers.at(2), numbers.at(3), of.read<loss::loss_result>()});
    }
  }
  std::sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.replica < b.replica; });
  detail::add_replicas(mine, all);
  std::sort(mine.diagnostics.begin(), mine.diagnostics.end(), [](table::diagnostic const& a, table::diagnostic const& b) {
    return std::tie(a.update, a.stage) < std::tie(b.update, b.stage);
  });
}

}  // namespace foal::executor
