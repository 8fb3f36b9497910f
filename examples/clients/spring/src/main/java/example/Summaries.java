package example;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.UUID;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;

/**
 * A request and its reply with Spring Kafka's ReplyingKafkaTemplate, values as JSON text. The
 * template names the reply topic and the correlation in headers of its own, which the services
 * understand. Run it: {@code mvn -q spring-boot:run -Dspring-boot.run.arguments="'A text.'"}
 */
@SpringBootApplication
public class Summaries {

  public static void main(String[] arguments) {
    System.exit(SpringApplication.exit(SpringApplication.run(Summaries.class, arguments)));
  }

  @Bean
  ReplyingKafkaTemplate<String, String, String> template(
      ProducerFactory<String, String> producers,
      ConcurrentKafkaListenerContainerFactory<String, String> listeners,
      @Value("${prefix}") String prefix) {
    var replies = listeners.createContainer(prefix + ".summarize.replies");
    // Every instance needs all replies, and takes its own out of them.
    replies.getContainerProperties().setGroupId("summaries-" + UUID.randomUUID());
    var template = new ReplyingKafkaTemplate<>(producers, replies);
    template.setSharedReplyTopic(true);
    // By default it waits for 5 s: less than a model may take.
    template.setDefaultReplyTimeout(Duration.ofSeconds(60));
    return template;
  }

  /** Prints the reply's JSON, with "status" "ok" and a "result", or "error" and an "error". */
  @Bean
  CommandLineRunner summarize(
      ReplyingKafkaTemplate<String, String, String> template,
      @Value("${prefix}") String prefix) {
    return arguments -> {
      // Replies are read from their topic's end on: the template has to be there before it asks.
      template.waitForAssignment(Duration.ofSeconds(30));
      var text = String.join(" ", arguments).replace("\\", "\\\\").replace("\"", "\\\"");
      var topic = prefix + ".summarize.requests";
      var request = new ProducerRecord<String, String>(topic, "{\"text\": \"" + text + "\"}");
      request.headers().add("timeout_ms", "60000".getBytes(StandardCharsets.UTF_8));
      System.out.println(template.sendAndReceive(request).get().value());
    };
  }
}
