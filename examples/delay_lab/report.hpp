// Tables, rows and the page of the laboratory.
#pragma once

#include <string>
#include <vector>

#include <foal/report/html.hpp>
#include <foal/report/rows.hpp>
#include <foal/report/table.hpp>

#include "laboratory.hpp"

namespace delay_lab {

foal::report::table table_of(std::vector<judged> const& all);
void add_rows(foal::report::rows& to, network const& n, std::vector<judged> const& all);
/// The net's section: a heat map, curves of each profile, the table.
void add_net(foal::report::html_page& to, network const& n, std::vector<judged> const& all);

}  // namespace delay_lab
