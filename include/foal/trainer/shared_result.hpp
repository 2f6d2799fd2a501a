// The results of a run that several processes have parts of, whole in all of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
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

}  // namespace detail

/// Gives to all what one has: losses are where the last stage is, diagnostics where their stage is; the seconds are the
/// first process's. All processes call it, after the same run. exchange: gives the texts of all, by process.
template <class Exchange>
void share(run_result& mine, bool has_last, Exchange const& exchange) {
  detail::packed_lists here;
  here.write(std::vector{has_last ? 1 : 0});
  here.write(std::vector{mine.seconds});
  here.write(std::vector{mine.microbatches});
  here.write(mine.sums);
  here.write(mine.losses);
  here.write(mine.diagnostics);
  mine.diagnostics.clear();
  bool first = true;
  for (std::string& text : exchange(here.text())) {
    detail::packed_lists of(std::move(text));
    bool const last = of.read<int>().at(0) != 0;
    double const seconds = of.read<double>().at(0);
    if (std::exchange(first, false)) mine.seconds = seconds;
    long long const microbatches = of.read<long long>().at(0);
    auto sums = of.read<loss::loss_result>(), losses = of.read<loss::loss_result>();
    auto const diagnostics = of.read<table::diagnostic>();
    mine.diagnostics.insert(mine.diagnostics.end(), diagnostics.begin(), diagnostics.end());
    if (!last) continue;
    mine.microbatches = microbatches;
    mine.sums = std::move(sums);
    mine.losses = std::move(losses);
  }
  std::sort(mine.diagnostics.begin(), mine.diagnostics.end(), [](table::diagnostic const& a, table::diagnostic const& b) {
    return std::tie(a.update, a.stage) < std::tie(b.update, b.stage);
  });
}

}  // namespace foal::executor
