// The package brings no types. A codec is what kafkajs calls once a connection.
declare module 'kafkajs-snappy' {
  const codec: () => unknown;
  export default codec;
}
