// Metrics of a run as JSON lines, from rows.
#pragma once

#include <string>
#include <utility>

#include <foal/report/json_lines.hpp>
#include <foal/report/rows.hpp>

namespace foal::report {

/// metrics log("metrics.jsonl"); log.write({{"update", 40}, {"loss", 0.31}});
class metrics {
 public:
  /// `append`: go on behind the lines of an earlier run. Throws foal::error with the path and the reason.
  explicit metrics(std::string path, bool append = false) : lines_(std::move(path), append) {}

  void write(row const& r) {
    lines_.write([&r](json_writer& json) { r.write(json); });
  }

 private:
  json_lines lines_;
};

}  // namespace foal::report
