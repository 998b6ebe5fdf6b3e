#include "daemon/actions/extension_action.h"

#include <chrono>

#include "daemon/actions/action_program.h"
#include "daemon/report_json.h"
#include "peers/text.h"

namespace peerstage::daemon {

ActionResult extension_action(const config::ExtensionAction& extension, const ActionContext& context) {
  ActionProgram program;
  program.what = "the program of the action " + extension.name + " (" +
                 peers::printable(extension.command.value(), 200) + ")";
  program.words = {extension.command.value()};
  program.variables = run_variables(extension.name, context);
  const auto begun = std::chrono::steady_clock::now();
  const ProgramEnd end = run_action_program(program, context);
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);

  Json document{{"program", peers::printable(extension.command.value())},
                {"exit_status", end.exit_status ? Json(*end.exit_status) : Json(nullptr)},
                {"seconds", static_cast<double>(passed.count()) / 1000},
                {"error", end.failure.empty() ? Json(nullptr) : Json(end.failure)}};
  return {end.code, document_text(document), {}};
}

}  // namespace peerstage::daemon
