/* The commands: help, man page and shell completion are made from this table. */
#include "daemon/command.h"

#define CONFIG                                                                                                         \
	{                                                                                                              \
		"config", "FILE", false, "the configuration (YAML); - is standard input"                               \
	}

#define URL                                                                                                            \
	{                                                                                                              \
		"url", "URL", false, "where a running segmentd listens, e.g. http://127.0.0.1:8080"                    \
	}

const struct seg_command seg_commands[] = {
	{"run",
	 NULL,
	 "the daemon: Kafka in, segment changes out",
	 "Ends with exit code 0 after SIGTERM or SIGINT: commits, finishes the checkpoint (at most 20 s), leaves. A "
	 "second\n"
	 "signal ends it at once with 1.",
	 {CONFIG,
	  {"accept-config-change", NULL, false,
	   "go on although the configuration that shapes profiles has changed since an unclean stop"}},
	 seg_cmd_run},
	{"demo",
	 NULL,
	 "in-memory broker, real orders, live view and HTTP: nothing to set up",
	 NULL,
	 {{"port", "N", false, "HTTP port; default 8080 or the next free one, 0: any"},
	  {"rate", "N", false, "events a second; default 2000, 0: as fast as it goes"},
	  {"input", "FILE", false, "another Avro container file of orders (our order schema)"},
	  {"exit-after", "N", false, "end after N events with a summary: exit 0, or 1 if there are fewer"}},
	 seg_cmd_demo},
	{"check",
	 NULL,
	 "configuration, broker, topics, store: one line each, exit 0 or 1",
	 NULL,
	 {CONFIG},
	 seg_cmd_check},
	{"topics",
	 "create|describe",
	 "makes or shows the topics that the configuration names",
	 "create makes outputs and internal topics with the inputs' number of partitions; what exists is checked, "
	 "never\n"
	 "changed. Inputs are made only with --inputs and --partitions.",
	 {CONFIG,
	  {"inputs", NULL, false, "create: make missing inputs too"},
	  {"partitions", "P", false, "create --inputs: partitions of the inputs"}},
	 seg_cmd_topics},
	{"replay",
	 NULL,
	 "files through the same engine, without a broker, deterministic",
	 "Writes one Avro container file an output, customers.avro and model.json into DIR, which must be empty or "
	 "new.\n"
	 "The last line on standard output is a summary as JSON.",
	 {CONFIG,
	  {"input", "F.avro…", true, "Avro container files or JSON lines (*.jsonl), any number"},
	  {"output", "DIR", false, "where to write"},
	  {"checkpoint-days", "N", false, "also write customers.avro and model.json every N days of stream time"},
	  {"until", "TIME", false, "let stream time run on to this date or RFC 3339 time; later events are not read"}},
	 seg_cmd_replay},
	{"explain",
	 "CUSTOMER",
	 "why a customer is in the segment they are in",
	 "Asks a running instance: segment and since when, what speaks for it, what would change it, the last change.",
	 {URL, {"json", NULL, false, "the answer as it came"}},
	 seg_cmd_explain},
	{"model",
	 "list|show V|diff V|promote V|rollback V|refit|validate",
	 "versions of the model: who would move, promote, roll back",
	 "V is a number of the list. diff compares with the current version. promote makes the candidate that waits "
	 "the\n"
	 "model, rollback makes a new version that is exactly an old one; both, and refit, need the token that "
	 "http.token\n"
	 "of the instance's configuration says. Exit code 1 if the instance refuses.",
	 {URL,
	  {"token", "TOKEN", false, "http.token of the instance; better in the environment as SEGMENTD_TOKEN"},
	  {"against", "V", false, "diff: with this version instead"},
	  {"labels", "LABELS", false, "validate: what to compare with: attr:NAME, or rules"},
	  {"json", NULL, false, "the answer as it came"}},
	 seg_cmd_model},
	{"state",
	 "stats|dump|verify",
	 "what the stores of a data folder hold",
	 "dump writes one JSON line a customer, sorted by partition and id, as of the last cut the store knows.\n"
	 "The stores must not be in use: exit 1 with the process id while `run` holds them.",
	 {{"data", "DIR", false, "data_dir of the configuration"},
	  {"config", "FILE", false, "verify: compare with Kafka too"}},
	 seg_cmd_state},
	{"schema", "[NAME]", "prints a shipped Avro schema; without NAME lists them", NULL, {{0}}, seg_cmd_schema},
	{"features",
	 NULL,
	 "prints the feature catalogue",
	 NULL,
	 {{"markdown", NULL, false, "as a page of the docs"}},
	 seg_cmd_features},
	{"config",
	 NULL,
	 "prints a configuration file with every key, explained",
	 NULL,
	 {{"markdown", NULL, false, "as a page of the docs"}},
	 seg_cmd_config},
};
const size_t seg_commands_len = sizeof(seg_commands) / sizeof(seg_commands[0]);
