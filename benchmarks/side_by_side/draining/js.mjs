// A program with Flowable's JavaScript client that drains a topic, as `ours.py` does with this library:
// `node js.mjs --folder FOLDER --url URL --topics TOPIC --tasks N [--sleep-ms T] [--report N]`.
// FOLDER is where the client is installed.

import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

const options = { tasks: "1", "sleep-ms": "0", report: "1" };
for (let at = 2; at < process.argv.length; at += 2) {
    options[process.argv[at].slice(2)] = process.argv[at + 1];
}
const { ExternalWorkerClient } = createRequire(join(options.folder, "package.json"))(
    "@flowable-oss/external-worker-client"
);

const say = (event, figures) => process.stdout.write(`${JSON.stringify({ event, ...figures })}\n`);
const memory = () => process.memoryUsage().rss / 1024 / 1024;
const report = Number(options.report);
const sleep = Number(options["sleep-ms"]);
const tasks = Number(options.tasks);
let calls = 0;

const called = (result) => {
    calls += 1;
    if (calls % report === 0) {
        say("called", { jobs: calls });
    }
    return result.success();
};

const client = new ExternalWorkerClient({
    flowableHost: options.url,
    auth: { username: "rest-admin", password: "test" },
});
const before = process.cpuUsage();
say("begin", { at: Date.now() / 1000, rss_mb: memory() });
for (const topic of options.topics.split(",")) {
    client.subscribe({
        topic,
        // Nothing else is given that has a default: that is how it is used.
        ...(tasks === 1 ? {} : { numberOfTasks: tasks }),
        callbackHandler: sleep
            ? (_job, result) => new Promise((done) => setTimeout(() => done(called(result)), sleep))
            : (_job, result) => called(result),
    });
}
process.stdin.once("data", () => {
    const used = process.cpuUsage(before);
    say("end", {
        jobs: calls,
        cpu_seconds: (used.user + used.system) / 1e6,
        rss_mb: memory(),
        peak_mb: process.resourceUsage().maxRSS / 1024,
    });
    process.exit(0);
});
