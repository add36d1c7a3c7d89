<?php
/* Plugin Name: Unversioned
 * Author:
 */
