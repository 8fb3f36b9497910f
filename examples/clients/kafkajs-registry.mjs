// The same with a Schema Registry, in Avro, Protobuf or JSON Schema: `carteiro topics create --schemas`, then
// `npm install kafkajs @kafkajs/confluent-schema-registry && node kafkajs-registry.mjs "The train leaves at nine."`
import { randomUUID } from "node:crypto";
import schemas from "@kafkajs/confluent-schema-registry";
import { Kafka, logLevel } from "kafkajs";

const kafka = new Kafka({
  clientId: "example",
  brokers: (process.env.CARTEIRO_BOOTSTRAP_SERVERS ?? "localhost:9092").split(","),
  logLevel: logLevel.ERROR,
});
const registry = new schemas.SchemaRegistry({
  host: process.env.CARTEIRO_SCHEMA_REGISTRY_URL ?? "http://localhost:8081",
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
        resolve(await registry.decode(message.value));
      }
    },
  });
});
const schemaId = await registry.getLatestSchemaId(`${prefix}.summarize.requests-value`);
await producer.send({
  topic: `${prefix}.summarize.requests`,
  messages: [
    {
      value: await registry.encode(schemaId, { text: process.argv[2] }),
      headers: { correlation_id: correlationId, timeout_ms: "60000" },
    },
  ],
});

const { status, result, error } = await reply;
console.log(status === "ok" ? result.summary : `${error.code}: ${error.message}`);
await Promise.all([consumer.disconnect(), producer.disconnect()]);
process.exit(status === "ok" ? 0 : 1);
