/** A run-book is as light or as dark as the live page was made. */
import { applyTheme } from './theme.js';

applyTheme();
