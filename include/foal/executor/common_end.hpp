// How a phase has come to its end over several processes: each tells the others, and all come to the same.
#pragma once

#include <algorithm>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/executor/phase_end.hpp>
#include <foal/report/fingerprint.hpp>

namespace foal::executor {

inline std::string text_of(std::exception_ptr const& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (std::exception const& e) {
    return e.what();
  } catch (...) {
    return "something that is no std::exception has been thrown";
  }
}

/// How it has ended in one process, and how many messages this has sent over channels.
class told_end {
 public:
  explicit told_end(phase_end const& mine) {
    add("failed key", mine.failed_key);
    add("beside key", mine.beside_key);
    add("through", mine.through ? 1 : 0);
    add("updates", mine.updates);
    if (mine.failure) {
      add("diverged after", mine.failure->update);
      add("diverged at", mine.failure->stage);
      all_.items.emplace_back("diverged", mine.failure->what);
      add("diverged in microbatch", mine.failure->microbatch);
      add("diverged in replica", mine.failure->replica);
    }
    if (mine.exception) all_.items.emplace_back("thrown", text_of(mine.exception));
    if (mine.beside) all_.items.emplace_back("thrown beside", text_of(mine.beside));
  }
  explicit told_end(std::string const& text) : all_(report::unpacked(text)) {}
  std::string text() const { return report::packed(all_); }

  void add(std::string name, long long number) { all_.items.emplace_back(std::move(name), std::to_string(number)); }
  /// Null where it has not been told.
  std::string const* find(std::string const& name) const {
    for (auto const& [known, value] : all_.items)
      if (known == name) return &value;
    return nullptr;
  }
  /// Needs a number of that name.
  long long number(std::string const& name) const {
    std::string const* const value = find(name);
    require(value != nullptr, "cannot end a phase in several processes, because one does not tell its '", name,
            "'; start the same program in all");
    return std::stoll(*value);
  }

 private:
  report::fingerprint all_;
};

/// The end that all have in common, by process: what was thrown is a foal::error with its sentence in each of them.
inline phase_end common_end(std::vector<told_end> const& all) {
  phase_end end;
  end.common = true;
  for (told_end const& one : all) {
    end.through = end.through && one.number("through") != 0;
    end.updates = std::min(end.updates, one.number("updates"));
    if (long long const key = one.number("failed key"); key < end.failed_key) {
      end.failed_key = key;
      end.failure.reset();
      end.exception = nullptr;
      if (std::string const* const thrown = one.find("thrown"))
        end.exception = std::make_exception_ptr(error(*thrown));
      else
        end.failure =
            divergence{one.number("diverged after"), static_cast<int>(one.number("diverged at")), *one.find("diverged"),
                       one.number("diverged in microbatch"), static_cast<int>(one.number("diverged in replica"))};
    }
    std::string const* const beside = one.find("thrown beside");
    long long const key = one.number("beside key");
    if (beside == nullptr || (end.beside != nullptr && key >= end.beside_key)) continue;
    end.beside = std::make_exception_ptr(error(*beside));
    end.beside_key = key;
  }
  return end;
}

}  // namespace foal::executor
