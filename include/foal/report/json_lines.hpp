// A file of JSON lines: one object a line, on disk as soon as it is written.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <foal/report/json.hpp>
#include <foal/report/open.hpp>

namespace foal::report {

/// json_lines log("log.jsonl"); log.write([](json_writer& json) { json.begin_object().key("update").value(40).end_object();
/// });
class json_lines {
 public:
  /// `append`: go on behind the lines of an earlier run. Throws foal::error with the path and the reason.
  explicit json_lines(std::string path, bool append = false)
      : path_(std::move(path)), file_(detail::open_for_writing(path_, append ? "ab" : "wb")) {}

  /// One line, handed to the system whole: whoever reads along, or after a kill, sees complete lines.
  template <class Fill>
  void write(Fill const& fill) {
    line_.clear();
    json_writer json(line_);
    fill(json);
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
