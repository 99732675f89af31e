// The same program as `ours.py` with Flowable's JavaScript client, with its defaults: `node noting/js.mjs FOLDER URL GROUPS`.
// FOLDER is where the client is installed.

import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

const [folder, url, groups] = process.argv.slice(2);
const { ExternalWorkerClient } = createRequire(join(folder, "package.json"))("@flowable-oss/external-worker-client");

const APART = 200; // milliseconds, between the beginnings of two clients

const note = (topic, instance) =>
    process.stdout.write(`${((performance.timeOrigin + performance.now()) / 1000).toFixed(6)} ${topic} ${instance}\n`);

for (const topics of JSON.parse(groups)) {
    const client = new ExternalWorkerClient({
        flowableHost: url,
        auth: { username: "rest-admin", password: "test" },
    });
    for (const topic of topics) {
        client.subscribe({
            topic,
            callbackHandler(job, result) {
                note(topic, job.processInstanceId);
                return result.success();
            },
        });
    }
    await new Promise((done) => setTimeout(done, APART));
}
note("ready", null);
process.stdin.resume().on("end", () => process.exit(0));
