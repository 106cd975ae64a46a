export { browser } from "../by-proxy";
