import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Reads bounces and complaints from postrider's topics and says whose address must not be
 * written to again: one line of JSON for each event.
 *
 * <p>An offset is committed after its record has been handled. Records that come again are
 * recognised by their ids, the latest million of which are in memory: where an effect must
 * not be repeated after a restart either, keep the ids where the effect is, in one
 * transaction with it. Stops on SIGTERM and SIGINT.
 */
public final class Consumer {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** No mail gets to the address, whatever it says. */
    private static final Set<String> GONE = Set.of("invalid_recipient", "bad_domain", "mailbox_inactive");

    private final Set<String> handled = Collections.newSetFromMap(new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
            return size() > 1_000_000;
        }
    });

    // readme:start
    void run(KafkaConsumer<byte[], byte[]> kafka, List<String> topics) {
        kafka.subscribe(topics);
        while (true) {
            for (var record : kafka.poll(Duration.ofSeconds(1))) { // ends by a WakeupException
                handle(record);
            }
            try {
                kafka.commitSync(); // what was read, which is by now what was handled
            } catch (CommitFailedException | RebalanceInProgressException e) {
                System.err.println("offsets not committed, the records come again: " + e.getMessage());
            }
        }
    }

    void handle(ConsumerRecord<byte[], byte[]> record) {
        var place = record.topic() + "/" + record.partition() + "/" + record.offset();
        if (record.value() == null) {
            return; // a tombstone
        }
        var event = event(record.value());
        var id = event.isObject() ? identity(event, record, place) : null;
        if (id == null) {
            System.err.println(place + ": no event, passed over");
        } else if (!handled.contains(id)) {
            report(record, event);
            handled.add(id);
        } // else a repeat
    }

    /** What a record is known by: its id. One with the mark conflict is no repeat of any other
     *  record: where it lay first takes part. */
    static String identity(JsonNode event, ConsumerRecord<?, ?> record, String place) {
        var id = header(record, "ce_id", event.path("id").asText(null));
        if (id != null && header(record, "conflict", "").equals("true")) {
            return id + "@" + header(record, "replay-of", place);
        }
        return id;
    }
    // readme:end

    /** Whether an event says that its recipient must not be written to again. */
    static boolean suppresses(JsonNode event) {
        var bounce = event.path("bounce"); // what is absent is a missing node, and no null
        return switch (event.path("type").asText()) {
            case "bounced" -> bounce.path("class").asText().equals("hard")
                    && GONE.contains(bounce.path("category").asText()) && !bounce.path("will_retry").asBoolean();
            case "complained" -> true;
            default -> false; // also a type that came after this program
        };
    }

    static String header(ConsumerRecord<?, ?> record, String name, String orElse) {
        Header header = record.headers().lastHeader(name);
        return header == null || header.value() == null ? orElse : new String(header.value(), UTF_8);
    }

    /** The value as JSON; a missing node where it is none. */
    static JsonNode event(byte[] value) {
        try {
            return JSON.readTree(value);
        } catch (IOException e) {
            return JSON.missingNode();
        }
    }

    static void report(ConsumerRecord<?, ?> record, JsonNode event) {
        var line = JSON.createObjectNode();
        line.set("id", event.get("id"));
        line.put("topic", record.topic());
        line.set("type", event.get("type"));
        line.set("recipient", event.get("recipient"));
        line.put("suppress", suppresses(event));
        try {
            System.out.println(JSON.writeValueAsString(line));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        var topics = new ArrayList<String>();
        var kafka = new KafkaConsumer<byte[], byte[]>(settings(args, topics));
        var main = Thread.currentThread();
        var closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            kafka.wakeup();
            try { // the process ends when this does
                closed.await(10, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                main.interrupt();
            }
        }));
        try (kafka) {
            new Consumer().run(kafka, topics.isEmpty() ? List.of("email.bounced", "email.complained") : topics);
        } catch (WakeupException e) {
            System.err.println("stopped");
        } finally {
            closed.countDown();
        }
    }

    /** Settings from the arguments: --brokers, --group, --topic (repeatable), -X KEY=VALUE (any of the client's). */
    static Properties settings(String[] args, List<String> topics) {
        var settings = new Properties();
        settings.put("bootstrap.servers", System.getenv().getOrDefault("BROKERS", "127.0.0.1:9092"));
        settings.put("group.id", "suppressions-java");
        settings.put("auto.offset.reset", "earliest"); // a new group begins with what is there
        settings.put("enable.auto.commit", "false");
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        for (int i = 0; i < args.length; i += 2) {
            var value = i + 1 < args.length ? args[i + 1] : usage();
            switch (args[i]) {
                case "--brokers" -> settings.put("bootstrap.servers", value);
                case "--group" -> settings.put("group.id", value);
                case "--topic" -> topics.add(value);
                case "-X" -> {
                    var at = value.indexOf('=');
                    settings.put(at < 0 ? usage() : value.substring(0, at), value.substring(at + 1));
                }
                default -> usage();
            }
        }
        return settings;
    }

    static String usage() {
        System.err.println("usage: Consumer [--brokers HOST:PORT,...] [--group NAME] [--topic NAME]... [-X KEY=VALUE]...");
        System.exit(2);
        return "";
    }
}
