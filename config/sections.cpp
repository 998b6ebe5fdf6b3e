#include "config/sections.h"

#include <algorithm>
#include <set>
#include <string>

namespace peerstage::config {
namespace {

const AsOneOf<Day> as_day{{{"monday", Day::monday},
                           {"tuesday", Day::tuesday},
                           {"wednesday", Day::wednesday},
                           {"thursday", Day::thursday},
                           {"friday", Day::friday},
                           {"saturday", Day::saturday},
                           {"sunday", Day::sunday}}};
const AsOneOf<OrderMode> as_order_mode{{{"index", OrderMode::index}, {"dependency", OrderMode::dependency}}};
const AsOneOf<CollectMode> as_collect_mode{
    {{"daily", CollectMode::daily}, {"weekly", CollectMode::weekly}, {"incr", CollectMode::incremental}}};
const AsOneOf<ArchiveMode> as_archive_mode{
    {{"tar", ArchiveMode::tar}, {"targz", ArchiveMode::targz}, {"tarbz2", ArchiveMode::tarbz2}}};
const AsOneOf<std::string> as_media_type{{{"cdr-74", "cdr-74"},
                                          {"cdrw-74", "cdrw-74"},
                                          {"cdr-80", "cdr-80"},
                                          {"cdrw-80", "cdrw-80"},
                                          {"dvd+r", "dvd+r"},
                                          {"dvd+rw", "dvd+rw"}}};
const AsOneOf<std::string> as_device_type{{{"cdwriter", "cdwriter"}, {"dvdwriter", "dvdwriter"}}};
const AsOneOf<std::string> as_blank_mode{{{"daily", "daily"}, {"weekly", "weekly"}}};

CommandLine read_command(Fields& fields, const char* name, std::string text) {
  CommandLine command = fields.place(name);
  command.text = std::move(text);
  return command;
}

std::optional<ExtensionAction::Dependencies> read_dependencies(Fields& action) {
  auto depends = action.group("depends");
  if (!depends) return std::nullopt;
  ExtensionAction::Dependencies dependencies;
  dependencies.run_before =
      depends->value("run_before", as_action_names).value_or(std::vector<std::string>());
  dependencies.run_after = depends->value("run_after", as_action_names).value_or(std::vector<std::string>());
  depends->report_unknown();
  return dependencies;
}

ExtensionAction read_extension(Fields fields, OrderMode mode) {
  ExtensionAction action;
  action.name = fields.required("name", as_action_name);
  action.module = fields.required("module", as_python_module);
  action.function = fields.required("function", as_python_identifier);
  action.command = fields.value("command", as_absolute_path);
  action.index = fields.value("index", as_count);
  action.depends = read_dependencies(fields);
  if (mode == OrderMode::index && !fields.has("index")) fields.missing("index");
  if (mode == OrderMode::dependency && !action.depends) fields.missing("depends");
  fields.report_unknown();
  return action;
}

std::vector<Hook> read_hooks(Fields& options, const char* name) {
  std::vector<Hook> hooks;
  for (Fields& fields : options.groups(name)) {
    hooks.push_back({fields.value("action", as_action_name), fields.value("command", as_text)});
    fields.report_unknown();
  }
  return hooks;
}

/// The old name `mode` wins over `collect_mode`, which is then not even looked at.
std::optional<CollectMode> read_collect_mode(Fields& fields) {
  return fields.has("mode") ? fields.value("mode", as_collect_mode)
                            : fields.value("collect_mode", as_collect_mode);
}

Exclusions read_exclusions(Fields& parent, bool with_relative_paths) {
  Exclusions exclude;
  auto fields = parent.group("exclude");
  if (!fields) return exclude;
  exclude.abs_paths = fields->values("abs_path", as_absolute_path);
  if (with_relative_paths) exclude.rel_paths = fields->values("rel_path", as_text);
  exclude.patterns = fields->values("pattern", as_pattern);
  fields->report_unknown();
  return exclude;
}

/// Reports a value that is neither in the section nor in one of its members.
void need(Fields& fields, bool in_section, const char* name) {
  if (in_section || fields.has(name)) return;
  fields.error(fields.place(name),
               std::string("this element is required here, or in the collect section for all"));
}

void need_modes(Fields& fields, bool mode_in_section, bool archive_mode_in_section) {
  if (!fields.has("mode")) need(fields, mode_in_section, "collect_mode");
  need(fields, archive_mode_in_section, "archive_mode");
}

CollectFile read_collect_file(Fields& fields) {
  CollectFile file;
  file.abs_path = fields.required("abs_path", as_absolute_path);
  file.collect_mode = read_collect_mode(fields);
  file.archive_mode = fields.value("archive_mode", as_archive_mode);
  fields.report_unknown({"mode", "collect_mode"});
  return file;
}

CollectDirectory read_collect_directory(Fields& fields) {
  CollectDirectory directory;
  directory.abs_path = fields.required("abs_path", as_absolute_path);
  directory.collect_mode = read_collect_mode(fields);
  directory.archive_mode = fields.value("archive_mode", as_archive_mode);
  directory.ignore_file = fields.value("ignore_file", as_text);
  directory.link_depth = fields.value("link_depth", as_count).value_or(0);
  directory.dereference = fields.value("dereference", as_boolean).value_or(false);
  directory.recursion_level = fields.value("recursion_level", as_integer).value_or(0);
  directory.exclude = read_exclusions(fields, true);
  if (directory.dereference && directory.link_depth < 1) {
    fields.error(fields.place("dereference"), "dereference needs a link_depth of at least 1");
  }
  fields.report_unknown({"mode", "collect_mode"});
  return directory;
}

}  // namespace

Reference read_reference(Fields fields) {
  Reference reference;
  reference.author = fields.value("author", as_text);
  reference.revision = fields.value("revision", as_text);
  reference.description = fields.value("description", as_text);
  reference.generator = fields.value("generator", as_text);
  fields.report_unknown();
  return reference;
}

Extensions read_extensions(Fields fields) {
  Extensions extensions;
  extensions.order_mode = fields.value("order_mode", as_order_mode).value_or(OrderMode::index);
  std::set<std::string> names;
  for (Fields& action : fields.groups("action")) {
    extensions.actions.push_back(read_extension(action, extensions.order_mode));
    const std::string& name = extensions.actions.back().name;
    if (!name.empty() && !names.insert(name).second) {
      action.error(action.place("name"), "another extension has the name " + quoted(name) + " already");
    }
  }
  fields.report_unknown();
  return extensions;
}

Options read_options(Fields fields) {
  Options options;
  options.starting_day = fields.required("starting_day", as_day);
  options.working_dir = fields.required("working_dir", as_absolute_path);
  options.backup_user = fields.required("backup_user", as_text);
  options.backup_group = fields.required("backup_group", as_text);
  options.rcp_command = read_command(fields, "rcp_command", fields.required("rcp_command", as_text));
  if (auto text = fields.value("rsh_command", as_text)) {
    options.rsh_command = read_command(fields, "rsh_command", *text);
  }
  options.cback_command = fields.value("cback_command", as_text);
  options.managed_actions = fields.value("managed_actions", as_action_names);
  for (Fields& entry : fields.groups("override")) {
    options.overrides.push_back({entry.value("command", as_text), entry.value("abs_path", as_absolute_path)});
    entry.report_unknown();
  }
  options.pre_action_hooks = read_hooks(fields, "pre_action_hook");
  options.post_action_hooks = read_hooks(fields, "post_action_hook");
  if (options.backup_user == "root") {
    fields.warning(
        fields.place("backup_user"),
        "backups need not be done as root; a user of their own limits what a hostile peer could reach");
  }
  fields.report_unknown();
  return options;
}

Collect read_collect(Fields fields) {
  Collect collect;
  collect.collect_dir = fields.required("collect_dir", as_absolute_path);
  collect.collect_mode = fields.value("collect_mode", as_collect_mode);
  collect.archive_mode = fields.value("archive_mode", as_archive_mode);
  collect.ignore_file = fields.value("ignore_file", as_text);
  collect.exclude = read_exclusions(fields, false);
  for (Fields& file : fields.groups("file")) {
    collect.files.push_back(read_collect_file(file));
    need_modes(file, fields.has("collect_mode"), fields.has("archive_mode"));
  }
  for (Fields& directory : fields.groups("dir")) {
    collect.directories.push_back(read_collect_directory(directory));
    need_modes(directory, fields.has("collect_mode"), fields.has("archive_mode"));
    need(directory, fields.has("ignore_file"), "ignore_file");
  }
  fields.report_unknown();
  return collect;
}

Store read_store(Fields fields) {
  Store store;
  store.source_dir = fields.required("source_dir", as_absolute_path);
  store.media_type = fields.required("media_type", as_media_type);
  store.device_type = fields.value("device_type", as_device_type).value_or("cdwriter");
  store.target_device = fields.required("target_device", as_absolute_path);
  store.target_scsi_id = fields.value("target_scsi_id", as_scsi_id);
  store.drive_speed = fields.value("drive_speed", as_positive);
  store.check_data = fields.value("check_data", as_boolean).value_or(false);
  store.check_media = fields.value("check_media", as_boolean).value_or(false);
  store.warn_midnite = fields.value("warn_midnite", as_boolean).value_or(false);
  store.no_eject = fields.value("no_eject", as_boolean).value_or(false);
  store.refresh_media_delay = fields.value("refresh_media_delay", as_count);
  store.eject_delay = fields.value("eject_delay", as_count);
  if (auto blanking = fields.group("blank_behavior")) {
    store.blank_mode = blanking->value("mode", as_blank_mode);
    store.blank_factor = blanking->value("factor", as_blanking_factor);
    if (!blanking->has("mode") && !blanking->has("factor")) blanking->missing("mode");
    blanking->report_unknown();
  }
  const bool is_dvd = store.media_type.starts_with("dvd");
  if (!store.media_type.empty() && is_dvd != (store.device_type == "dvdwriter")) {
    fields.error(fields.place("media_type"),
                 store.media_type + " media does not fit a " + store.device_type + " (see device_type)");
  }
  fields.report_unknown();
  return store;
}

Purge read_purge(Fields fields) {
  Purge purge;
  for (Fields& directory : fields.groups("dir")) {
    purge.directories.push_back(
        {directory.required("abs_path", as_absolute_path), directory.required("retain_days", as_count)});
    directory.report_unknown();
  }
  fields.report_unknown();
  return purge;
}

}  // namespace peerstage::config
