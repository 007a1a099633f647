// All that the browser phone needs of JsSIP.
import JsSIP from "jssip";

export const { UA, WebSocketInterface } = JsSIP;
