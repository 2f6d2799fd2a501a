// Metrics of a run as JSON lines: one object a line, on disk as soon as it is written.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/report/file.hpp>
#include <foal/report/rows.hpp>

namespace foal::report {

/// metrics log("metrics.jsonl"); log.write({{"update", 40}, {"loss", 0.31}});
class metrics {
 public:
  /// `append`: go on behind the lines of an earlier run. Throws foal::error with the path and the reason.
  explicit metrics(std::string path, bool append = false)
      : path_(std::move(path)), file_(detail::open_for_writing(path_, append ? "ab" : "wb")) {}

  /// One line, handed to the system whole: whoever reads along, or after a kill, sees complete lines.
  void write(row const& r) {
    line_.clear();
    json_writer json(line_);
    r.write(json);
    line_ += '\n';
    bool const written =
        std::fwrite(line_.data(), 1, line_.size(), file_.get()) == line_.size() && std::fflush(file_.get()) == 0;
    require(written, "cannot write a line of metrics to '", path_, "', because ", std::strerror(errno),
            "; free space or name another file");
  }

 private:
  struct closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::string path_, line_;
  std::unique_ptr<std::FILE, closer> file_;
};

}  // namespace foal::report
