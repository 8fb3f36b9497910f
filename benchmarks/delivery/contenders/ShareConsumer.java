import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The work of raw.py by Kafka's share consumer. One bad record ends it, and a slow record delays all of its poll.
 *
 * <p>With explicit acknowledgement, a consumer polls again only after all records of its last poll are acknowledged.
 */
final class ShareConsumer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static volatile boolean stopped;

    /** Its fields are explained in share_consumer.py. */
    record Job(
            String bootstrap,
            String requests,
            String replies,
            String group,
            int consumers,
            int maxRecords,
            String acquireMode,
            long sleepMs,
            String url) {}

    record Completion(String model, List<Message> messages) {}

    record Message(String role, String content) {}

    record Reply(String status, Map<String, String> result) {}

    interface Model {
        CompletableFuture<String> complete(String prompt) throws IOException;
    }

    public static void main(String[] arguments) throws Exception {
        var job = JSON.readValue(arguments[0], Job.class);
        startWithOldestRequest(job);
        var model = job.url() == null ? inProcess(job.sleepMs()) : overHttp(job.url());
        var threads = Executors.newFixedThreadPool(job.consumers());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(threads)));
        try (var producer = openProducer(job)) {
            var ended = new ExecutorCompletionService<Void>(threads);
            for (int consumer = 0; consumer < job.consumers(); consumer++) {
                ended.submit(() -> serve(job, model, producer));
            }
            for (int consumer = 0; consumer < job.consumers(); consumer++) {
                ended.take().get();
            }
        } catch (ExecutionException error) {
            error.getCause().printStackTrace();
            System.exit(1);
        }
    }

    private static Void serve(Job job, Model model, Producer<byte[], byte[]> producer) throws Exception {
        try (var consumer = openConsumer(job)) {
            consumer.subscribe(List.of(job.requests()));
            while (!stopped) {
                var records = new ArrayList<ConsumerRecord<byte[], byte[]>>();
                // It also commits the acknowledgements. A commit that fails costs a second reply, not a request.
                consumer.poll(Duration.ofMillis(500)).forEach(records::add);
                var texts = new ArrayList<Future<String>>();
                for (var record : records) {
                    texts.add(model.complete(JSON.readTree(record.value()).get("prompt").asText()));
                }
                var sent = new ArrayList<Future<RecordMetadata>>();
                for (int index = 0; index < records.size(); index++) {
                    var value = JSON.writeValueAsBytes(new Reply("ok", Map.of("text", texts.get(index).get())));
                    var headers = records.get(index).headers();
                    sent.add(producer.send(new ProducerRecord<byte[], byte[]>(job.replies(), null, null, value, headers)));
                }
                producer.flush();
                for (int index = 0; index < records.size(); index++) {
                    sent.get(index).get();
                    consumer.acknowledge(records.get(index));
                }
            }
        }
        return null;
    }

    private static KafkaShareConsumer<byte[], byte[]> openConsumer(Job job) {
        Map<String, Object> config = Map.of(
                "bootstrap.servers", job.bootstrap(),
                "group.id", job.group(),
                "share.acknowledgement.mode", "explicit",
                "share.acquire.mode", job.acquireMode(),
                "max.poll.records", job.maxRecords());
        return new KafkaShareConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static Producer<byte[], byte[]> openProducer(Job job) {
        Map<String, Object> config = Map.of("bootstrap.servers", job.bootstrap(), "acks", "all");
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Set the start of the share group, which is a setting of the group. By default it is the next request. */
    private static void startWithOldestRequest(Job job) throws Exception {
        try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", job.bootstrap()))) {
            var group = new ConfigResource(ConfigResource.Type.GROUP, job.group());
            var earliest = new ConfigEntry("share.auto.offset.reset", "earliest");
            var change = new AlterConfigOp(earliest, AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(group, List.of(change))).all().get();
        }
    }

    private static Model inProcess(long sleepMs) {
        if (sleepMs == 0) {
            return CompletableFuture::completedFuture;
        }
        var clock = Executors.newSingleThreadScheduledExecutor(ShareConsumer::daemon);
        return prompt -> {
            var text = new CompletableFuture<String>();
            clock.schedule(() -> text.complete(prompt), sleepMs, TimeUnit.MILLISECONDS);
            return text;
        };
    }

    /** The server does not speak HTTP/2, which the client would offer with each request. */
    private static Model overHttp(String url) {
        var client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(Duration.ofSeconds(5))
                .build();
        var request = HttpRequest.newBuilder(URI.create(url + "/chat/completions"))
                .header("Content-Type", "application/json")
                .header("Authorization", "Bearer none")
                .timeout(Duration.ofSeconds(120));
        return prompt -> {
            var body = JSON.writeValueAsBytes(new Completion("bench", List.of(new Message("user", prompt))));
            var post = request.copy().POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
            return client.sendAsync(post, HttpResponse.BodyHandlers.ofByteArray()).thenApply(ShareConsumer::content);
        };
    }

    private static String content(HttpResponse<byte[]> response) {
        if (response.statusCode() != 200) {
            throw new IllegalStateException("the model's server answered with status " + response.statusCode());
        }
        try {
            return JSON.readTree(response.body()).at("/choices/0/message/content").asText();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static Thread daemon(Runnable work) {
        var thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }

    private static void stop(ExecutorService threads) {
        stopped = true;
        threads.shutdown();
        try {
            threads.awaitTermination(40, TimeUnit.SECONDS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
