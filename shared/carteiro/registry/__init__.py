"""Events whose schemas are in a Schema Registry: Avro, Protobuf and JSON Schema.

Serializers of Confluent write them: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/.
"""
