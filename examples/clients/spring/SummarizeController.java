package example;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;

/**
 * A request and its reply with Spring Kafka's ReplyingKafkaTemplate, values as JSON text
 * (StringSerializer, StringDeserializer). The template names the reply topic and the correlation
 * in headers of its own, which the services understand.
 */
@Configuration
class Summaries {

  @Bean
  ReplyingKafkaTemplate<String, String, String> summaries(
      ProducerFactory<String, String> producers,
      ConcurrentKafkaListenerContainerFactory<String, String> listeners) {
    var replies = listeners.createContainer("llm.summarize.replies");
    // Every instance needs all replies, and takes its own out of them.
    replies.getContainerProperties().setGroupId("summaries-" + java.util.UUID.randomUUID());
    var template = new ReplyingKafkaTemplate<>(producers, replies);
    template.setSharedReplyTopic(true);
    // By default it waits for 5 s: less than a model may take.
    template.setDefaultReplyTimeout(Duration.ofSeconds(60));
    return template;
  }
}

class SummarizeController {

  private final ReplyingKafkaTemplate<String, String, String> summaries;

  SummarizeController(ReplyingKafkaTemplate<String, String, String> summaries) {
    this.summaries = summaries;
  }

  /** The reply's JSON, with "status" "ok" and a "result", or "error" and an "error". */
  String summarize(String json) throws ExecutionException, InterruptedException {
    var request = new ProducerRecord<String, String>("llm.summarize.requests", json);
    request.headers().add("timeout_ms", "60000".getBytes(StandardCharsets.UTF_8));
    return summaries.sendAndReceive(request).get().value();
  }
}
