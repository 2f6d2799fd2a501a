// A file of JSON lines: one object a line, on disk as soon as it is written.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/report/json.hpp>

namespace foal::report {

/// json_lines log("log.jsonl"); log.write([](json_writer& json) { json.begin_object().key("update").value(40).end_object();
/// });
class json_lines {
 public:
  /// `append`: go on behind the lines of an earlier run; half a line that a killed one left is ended first. Throws
  /// foal::error with the path and the reason.
  explicit json_lines(std::string path, bool append = false)
      : path_(std::move(path)), file_(std::fopen(path_.c_str(), append ? "a+b" : "wb")) {
    require(file_ != nullptr, "cannot write ", path_, ", because the system says: ", std::strerror(errno),
            "; name a file in a directory that exists and may be written to");
    if (!append || std::fseek(file_.get(), -1, SEEK_END) != 0) return;
    bool const cut = std::fgetc(file_.get()) != '\n';
    std::fseek(file_.get(), 0, SEEK_END);
    if (cut) write_line("");
  }

  /// One line, handed to the system whole: whoever reads along, or after a kill, sees complete lines.
  template <class Fill>
  void write(Fill const& fill) {
    line_.clear();
    json_writer json(line_);
    fill(json);
    put();
  }

  /// The same with a line that is there already.
  void write_line(std::string_view json) {
    line_ = json;
    put();
  }

 private:
  void put() {
    line_ += '\n';
    bool const written =
        std::fwrite(line_.data(), 1, line_.size(), file_.get()) == line_.size() && std::fflush(file_.get()) == 0;
    require(written, "cannot write a line to ", path_, ", because the system says: ", std::strerror(errno),
            "; make room on the disk, or name another file");
  }

  struct closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::string path_, line_;
  std::unique_ptr<std::FILE, closer> file_;
};

}  // namespace foal::report
