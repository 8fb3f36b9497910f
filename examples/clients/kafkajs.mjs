// A request and its reply with kafkajs: `npm install kafkajs && node kafkajs.mjs "The train leaves at nine."`
import { randomUUID } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";

const kafka = new Kafka({
  clientId: "example",
  brokers: (process.env.CARTEIRO_BOOTSTRAP_SERVERS ?? "localhost:9092").split(","),
  logLevel: logLevel.ERROR,
});
const prefix = process.env.CARTEIRO_TOPIC_PREFIX ?? "llm";
const correlationId = randomUUID();

const consumer = kafka.consumer({ groupId: `example-${correlationId}` });
const producer = kafka.producer();
await Promise.all([consumer.connect(), producer.connect()]);
await consumer.subscribe({ topic: `${prefix}.summarize.replies`, fromBeginning: true });

const reply = new Promise((resolve) => {
  consumer.run({
    eachMessage: async ({ message }) => {
      if (message.headers.correlation_id?.toString() === correlationId) {
        resolve(JSON.parse(message.value.toString()));
      }
    },
  });
});
await producer.send({
  topic: `${prefix}.summarize.requests`,
  messages: [
    {
      value: JSON.stringify({ text: process.argv[2] }),
      headers: { correlation_id: correlationId, timeout_ms: "60000" },
    },
  ],
});

const { status, result, error } = await reply;
console.log(status === "ok" ? result.summary : `${error.code}: ${error.message}`);
await Promise.all([consumer.disconnect(), producer.disconnect()]);
process.exit(status === "ok" ? 0 : 1);
